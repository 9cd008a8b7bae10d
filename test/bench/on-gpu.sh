#!/bin/sh
# Everything that wants a real GPU, in one go: sh test/bench/on-gpu.sh [REPORT]
# Runs in a checkout with its node_modules, and writes one text file (gpu-report.txt). BACKENDS="tensorflow webgpu" says which
# backends. Every part has a time limit of its own, and all of them five minutes; after one that fails or is cut off the next follows.
# See docs/gpu.md.
cd "$(dirname "$0")/../.." || exit 1
report=${1:-gpu-report.txt}
backends=${BACKENDS:-tensorflow webgpu}
tsx="node --import tsx"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-1}"
# TensorFlow takes all of a GPU's memory otherwise, and leaves none to webgpu.
export TF_FORCE_GPU_ALLOW_GROWTH="${TF_FORCE_GPU_ALLOW_GROWTH:-true}"
ends=$(($(date +%s) + 300))
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
failed=0

# part SECONDS COMMAND...: its output into the report and onto the screen, with how it ended
part() {
  limit=$1
  shift
  begun=$(date +%s)
  printf '\n== %s\n' "$*"
  if [ $((ends - begun)) -lt 5 ]; then
    failed=$((failed + 1))
    echo '-- left out, no time is left'
    return
  fi
  [ $((ends - begun)) -ge "$limit" ] || limit=$((ends - begun))
  timeout --kill-after=5 "$limit" "$@" 2>&1 </dev/null
  code=$?
  case $code in
    0) end=done ;;
    124 | 137) end="cut off after $limit s" ;;
    *) end="failed, exit code $code" ;;
  esac
  [ $code -eq 0 ] || failed=$((failed + 1))
  printf -- '-- %s, %s s\n' "$end" "$(($(date +%s) - begun))"
}

everything() {
  date
  uname -srm
  echo "node $(node --version), mergeguard $(git rev-parse --short HEAD 2>/dev/null || echo 'without git')"
  part 10 nvidia-smi
  part 40 $tsx src/cli/index.ts doctor --gpu --parameters 1e8 --references 4
  for backend in $backends; do
    part 45 $tsx test/bench/tick-sums.ts --backend "$backend" --parameters 100e6 --references 4 --blocks 5
  done
  for backend in $backends; do
    part 75 $tsx test/bench/backends.ts --backends "$backend" --seconds 12
  done
  if [ -x node_modules/.bin/vitest ]; then
    for backend in $backends; do
      # Held to float32: TensorFlow would round products to TF32.
      part 60 env NVIDIA_TF32_OVERRIDE=0 MERGEGUARD_TEST_BACKEND="$backend" node_modules/.bin/vitest run --no-color \
        test/backend/contract.test.ts test/hooks/tfjs/tick-sums test/hooks/tfjs/gradient-fold
    done
  else
    echo 'vitest is not installed: no contract tests'
  fi
  for backend in $backends; do
    part 40 $tsx src/cli/index.ts demo --backend "$backend" --steps 80 --pretrain-steps 150 --reference-steps 60 --port 0 --cache "$cache"
  done
  printf '\n%s parts failed, were cut off or left out\n' "$failed"
}

everything | tee "$report"
# The pipe's own code would be tee's.
grep -q '^0 parts failed' "$report"
