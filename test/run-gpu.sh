#!/usr/bin/env bash
# Tests and measures the CUDA backend on a machine that has a GPU but perhaps no ITK.
#
#   test/run-gpu.sh pack DIR [DATA]  on a machine with nvcc and ITK: builds for sm_90 and puts the programs, the shared
#                                    libraries they need and, from DATA (default ../shared/data beside the repository,
#                                    if it is there), the images into DIR
#   test/run-gpu.sh run DIR          on the machine with the GPU: GPU tests, compute-sanitizer, registrations on GPU and
#                                    CPU, benchmark. Everything is written under $OUT (default ./out), and a short table
#                                    is printed last. Exit code 1 if a check failed.
#   test/run-gpu.sh                  both, where nvcc, ITK and a GPU are together
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pack() {
  set -e
  local dir=$1 data=${2:-$root/../shared/data} build=$root/build-gpu
  cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES="${CUDAARCHS:-90}" \
    -DBUILD_TESTING=ON -DModule_GPUDiffeomorphicRegistration_BUILD_EXAMPLES=ON \
    -DGPUDiffeomorphicRegistration_WARNINGS_AS_ERRORS=ON >"$root/build-gpu-configure.log" 2>&1 ||
    { cat "$root/build-gpu-configure.log" >&2; exit 1; }
  rm -f "$root/build-gpu-configure.log"
  cmake --build "$build" -j "$(nproc)"
  mkdir -p "$dir/lib"
  local program
  for program in GPUDiffeomorphicRegistrationEngineTest GPUDiffeomorphicRegistrationTestDriver gdreg gdreg-bench; do
    local path
    path=$(find "$build" -type f -name "$program" -perm -u+x | head -1)
    [ -n "$path" ] || { echo "run-gpu.sh: $program was not built" >&2; exit 1; }
    cp "$path" "$dir/"
    strip "$dir/$program"
    # glibc and the driver belong to the machine; CUDA's runtime is linked statically
    LD_LIBRARY_PATH=$build/src ldd "$path" | awk '/=> \// {print $3}' | while read -r library; do
      case $(basename "$library") in
        libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | libcuda.so*) ;;
        *) cp -Lu "$library" "$dir/lib/" ;;
      esac
    done
  done
  local pair
  for pair in nirep t1pair; do
    if [ -d "$data/$pair" ]; then
      mkdir -p "$dir/data/$pair"
      cp -u "$data/$pair"/* "$dir/data/$pair/"
    fi
  done
  git -C "$root" rev-parse --short HEAD >"$dir/commit"
  [ -z "$(git -C "$root" status --porcelain -- src include test examples)" ] || echo "with uncommitted changes" >>"$dir/commit"
  # One file, a third of the size: ways to such machines are often narrow.
  tar -C "$dir" -cf - GPUDiffeomorphicRegistrationEngineTest GPUDiffeomorphicRegistrationTestDriver gdreg gdreg-bench \
    commit lib $([ ! -d "$dir/data" ] || echo data) | xz -T0 -3 >"$dir/bundle.tar.xz"
  rm -rf "$dir"/GPUDiffeomorphicRegistration* "$dir/gdreg" "$dir/gdreg-bench" "$dir/commit" "$dir/lib" "$dir/data"
  cp "$root/test/run-gpu.sh" "$dir/"
  du -sh "$dir"
}

failures=0
table=()
note() { table+=("$1"); echo "$1"; }

# check NAME COMMAND...: keeps the log under $OUT and counts a failure. 77 is a skip.
check() {
  local name=$1 start=$SECONDS status
  shift
  "$@" >"$out/$name.log" 2>&1
  status=$?
  case $status in
    0) note "$(printf '%-34s passed   %4d s' "$name" $((SECONDS - start)))" ;;
    77) note "$(printf '%-34s SKIPPED' "$name")" ;;
    *)
      note "$(printf '%-34s FAILED (%d) %d s' "$name" "$status" $((SECONDS - start)))"
      tail -n 15 "$out/$name.log"
      failures=$((failures + 1))
      ;;
  esac
}

# register DEVICE NAME FIXED MOVING: twice on a GPU, for the same bits
register() {
  local device=$1 name=$2 fixed=$3 moving=$4
  timeout 240 "$dir/gdreg" register --fixed "$fixed" --moving "$moving" --output-prefix "$work/$name-$device" --linear none \
    --device "$device" --json "$out/$name-$device.json" --quiet
}

# score_labels TRANSFORM FIXED MOVING LIST RUN.json: mean Dice over the labels in LIST, if there is one, else over all
score_labels() {
  "$dir/gdreg" score --fixed-labels "$2" --moving-labels "$3" --transform "$1" --json "$work/score.json" --quiet || return 1
  python3 - "$work/score.json" "$4" "$5" <<'P'
import json, os, sys
score, run = json.load(open(sys.argv[1])), json.load(open(sys.argv[3]))
labels = score["labels"]["labels"]
wanted = open(sys.argv[2]).read().replace(",", " ").split() if os.path.exists(sys.argv[2]) else list(labels)
print("  mean Dice %.4f, union %.4f, min det J %.3f, %d folded, %.3f s on %s, peak %.1f MiB" % (
    sum(labels[k] for k in wanted) / len(wanted), score["labels"]["union_dice"], run["jacobian"]["minimum"],
    run["jacobian"]["folded_voxels"], run["seconds"]["deformable_on_device"], run["device"]["name"], run["device"]["peak_bytes"] / 2**20))
P
}

compare_fields() {
  python3 - "$@" <<'P'
import json, sys
try:
    import numpy
except ImportError:
    sys.exit("numpy is missing: the fields are not compared")
def field(path):
    raw = open(path, "rb").read()
    end = raw.index(b"ElementDataFile = LOCAL\n") + len(b"ElementDataFile = LOCAL\n")
    spacing = [float(v) for l in raw[:end].decode().splitlines() if l.startswith("ElementSpacing") for v in l.split("=")[1].split()]
    return numpy.frombuffer(raw[end:], "<f4").reshape(-1, 3) / numpy.array(spacing)
a, b = field(sys.argv[1]), field(sys.argv[2])
print("mean |difference| of the fields, GPU and CPU: %.4f voxel" % numpy.linalg.norm(a - b, axis=1).mean())
P
}

run() {
  accelerator=${ACCELERATOR:-cuda} # "cpu" tries the script itself
  out=${OUT:-$PWD/out}
  work=$(mktemp -d)
  dir=$work/bundle
  mkdir -p "$out" "$dir"
  tar -C "$dir" -xf "$1/bundle.tar.xz" || exit 1
  export LD_LIBRARY_PATH=$dir/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  local gpu
  gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1)
  note "$(date -u +%Y-%m-%d) commit $(tr '\n' ' ' <"$dir/commit" 2>/dev/null)${gpu:-no GPU}"
  "$dir/gdreg" devices

  local engine=$dir/GPUDiffeomorphicRegistrationEngineTest driver=$dir/GPUDiffeomorphicRegistrationTestDriver test
  check engine-tests timeout 240 "$engine" --device "$accelerator"
  for test in itkGPUDiffeomorphicEngineTest itkGPUDiffeomorphicRegistrationMethodTest \
    itkGPUDiffeomorphicRegistrationMethodErrorsTest itkGPUImageToImageMetricv4Test itkGPUMetricRegistrationTest \
    itkGPUWarpImageFilterTest; do
    check "$test" timeout 240 "$driver" "$test" "$accelerator"
  done
  local sanitizer
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -1)
  if [ -n "$sanitizer" ]; then
    local small='*MatchesDouble*:*MatchDouble*:RelaxFolds.*:*DirectionalDerivative*:Greedy.ConvergenceEndsALevel'
    check memcheck timeout 240 "$sanitizer" --tool memcheck --error-exitcode 9 "$engine" --device cuda --gtest_filter="$small"
    check racecheck timeout 240 "$sanitizer" --tool racecheck --error-exitcode 9 "$engine" --device cuda --gtest_filter="$small"
  else
    note "compute-sanitizer is not installed: memcheck and racecheck did not run"
  fi

  local pair
  for pair in nirep t1pair; do
    [ -d "$dir/data/$pair" ] || continue
    local fixed=$dir/data/$pair/fixed.nii.gz moving=$dir/data/$pair/moving.nii.gz
    local fixedLabels=$dir/data/$pair/fixed_seg.nii.gz movingLabels=$dir/data/$pair/moving_seg.nii.gz
    if [ "$pair" = nirep ]; then
      fixed=$dir/data/$pair/na01.nii.gz moving=$dir/data/$pair/na02.nii.gz
      fixedLabels=$dir/data/$pair/na01_seg.nii.gz movingLabels=$dir/data/$pair/na02_seg.nii.gz
    fi
    local device
    for device in "$accelerator" cpu; do
      check "$pair-$device" register "$device" "$pair" "$fixed" "$moving"
      check "$pair-$device-score" score_labels "$work/$pair-${device}_Composite.h5" "$fixedLabels" "$movingLabels" \
        "$dir/data/$pair/labels30.txt" "$out/$pair-$device.json"
      note "$(tail -n 1 "$out/$pair-$device-score.log")"
    done
    mv "$work/$pair-${accelerator}_Field.mha" "$work/first.mha"
    check "$pair-again" register "$accelerator" "$pair" "$fixed" "$moving"
    check "$pair-same-bits" cmp "$work/first.mha" "$work/$pair-${accelerator}_Field.mha"
    check "$pair-gpu-and-cpu" compare_fields "$work/first.mha" "$work/$pair-cpu_Field.mha"
    note "$(tail -n 1 "$out/$pair-gpu-and-cpu.log")"
    rm -f "$work"/*.*
  done

  local size
  for size in 160x192x224 256x256x256; do
    check "bench-$size" timeout 240 "$dir/gdreg-bench" --device "$accelerator" --size "$size"
    cat "$out/bench-$size.log"
  done
  rm -rf "$work"
  printf '\n'
  printf '%s\n' "${table[@]}" | tee "$out/summary.txt"
  [ "$failures" -eq 0 ]
}

case ${1:-both} in
  pack) pack "${2:?usage: test/run-gpu.sh pack DIR [DATA]}" "${3:-}" ;;
  run) run "${2:?usage: test/run-gpu.sh run DIR}" ;;
  both)
    (pack "$root/carry")
    run "$root/carry"
    ;;
  *)
    sed -n '2,12p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
