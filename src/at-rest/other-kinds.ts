/** Files that hold weights in other ways; reading pickles would run what is in them. */
const OTHER_KINDS = /\.(bin|pt|pth|ckpt|pkl|h5|keras|msgpack|npz|gguf|onnx)$/i;

/** The way out, for messages. */
export const SAVE_AGAIN =
  'save the model again with save_pretrained(..., safe_serialization=True) or safetensors.torch.save_file';

/** Whether a path is called like weights of another kind than safetensors. */
export function isOtherKind(path: string): boolean {
  return OTHER_KINDS.test(path);
}
