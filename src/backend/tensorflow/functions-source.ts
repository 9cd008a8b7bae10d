/** What the binding calls in the place of TFE_NewOp. */
export const NEW_OPERATION = 'mergeguard_NewOp';

/** An operation of this name, with a serialised FunctionDef in hex behind it, defines the function. */
export const DEFINE_FUNCTION = 'MergeguardDefine:';

/**
 * C++, compiled with the binding: the C API of TensorFlow takes functions, which XLA can compile as a whole, but tfjs-node has no
 * call for it. A function that is defined is executed by its name, as any operation.
 */
export const FUNCTIONS_SOURCE = `
#undef TFE_NewOp
#include <string>
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/eager/c_api.h"

extern "C" TFE_Op* ${NEW_OPERATION}(TFE_Context* context, const char* name, TF_Status* status) {
  static const std::string define = "${DEFINE_FUNCTION}";
  const std::string text(name);
  if (text.rfind(define, 0) != 0) {
    return TFE_NewOp(context, name, status);
  }
  std::string function;
  for (size_t i = define.size(); i + 1 < text.size(); i += 2) {
    function.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  TFE_ContextAddFunctionDef(context, function.data(), function.size(), status);
  return TF_GetCode(status) == TF_OK ? TFE_NewOp(context, "NoOp", status) : nullptr;
}
`;
