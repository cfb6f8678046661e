#!/usr/bin/env bash
# Tests and measures the CUDA backend on a machine that has a GPU but perhaps no ITK.
#
#   test/run-gpu.sh pack DIR [DATA]   on a machine with nvcc and ITK: builds for sm_90 in $BUILD_DIR (default build-gpu) and
#                                     puts the programs, the shared libraries they need and, from DATA (default
#                                     ../shared/data beside the repository, if it is there), the images into DIR;
#                                     with ITK_CONFORMANCE_SOURCE_DIR, ITK's source tree, also ITK's own tests
#   test/run-gpu.sh run DIR [PART]... on the machine with the GPU: the parts that are named, or all:
#                                       tests     GPU tests of the engine and of the classes
#                                       conformance  ITK's own tests on this module's classes, if they were packed
#                                       sanitize  compute-sanitizer: memcheck, initcheck and racecheck
#                                       register  registrations on GPU and CPU
#                                       bench     gdreg-bench
#                                       peers     compare_peers.py, with what PyTorch packages $PYTHON finds
#                                     Everything is written under $OUT (default ./out), and a short table is printed
#                                     last. Exit code 1 if a check failed. A call ends after $LIMIT seconds (default 570):
#                                     what is left then is listed as not run and counts as failed. ACCELERATOR=cpu tries
#                                     the script itself where there is no GPU.
#   test/run-gpu.sh                   both, where nvcc, ITK and a GPU are together
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pack() {
  set -e
  local dir=$1 data=${2:-$root/../shared/data} build=${BUILD_DIR:-$root/build-gpu}
  cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES="${CUDAARCHS:-90}" \
    -DBUILD_TESTING=ON -DModule_GPUDiffeomorphicRegistration_BUILD_EXAMPLES=ON \
    -DITK_CONFORMANCE_SOURCE_DIR="${ITK_CONFORMANCE_SOURCE_DIR:-}" \
    -DGPUDiffeomorphicRegistration_WARNINGS_AS_ERRORS=ON >"$root/build-gpu-configure.log" 2>&1 ||
    { cat "$root/build-gpu-configure.log" >&2; exit 1; }
  rm -f "$root/build-gpu-configure.log"
  local programs=(GPUDiffeomorphicRegistrationEngineTest GPUDiffeomorphicRegistrationTestDriver gdreg gdreg-bench gdreg-bench-method) program
  if [ -n "${ITK_CONFORMANCE_SOURCE_DIR:-}" ]; then
    programs+=(GPUDiffeomorphicRegistrationConformance{,Itk}TestDriver)
  fi
  cmake --build "$build" -j "${JOBS:-$(nproc)}" --target "${programs[@]}"
  mkdir -p "$dir/lib"
  for program in "${programs[@]}"; do
    local path
    path=$(find "$build" -type f -name "$program" -perm -u+x | head -1)
    [ -n "$path" ] || { echo "run-gpu.sh: $program was not built" >&2; exit 1; }
    cp "$path" "$dir/"
    strip "$dir/$program"
    # glibc, the driver and cuFFT (290 MB) belong to the machine; CUDA's runtime is linked statically
    LD_LIBRARY_PATH=$build/src ldd "$path" | awk '/=> \// {print $3}' | while read -r library; do
      case $(basename "$library") in
        libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | libcuda.so*) ;;
        *) cp -Lu "$library" "$dir/lib/" ;;
      esac
    done
  done
  cp "$root"/test/benchmark/{compare_peers,peers}.py "$dir/"
  if [ -n "${ITK_CONFORMANCE_SOURCE_DIR:-}" ]; then
    mkdir -p "$dir/conformance"
    cp -r "$build"/test/conformance/{input,tests.txt,failures.txt} "$dir/conformance/"
  fi
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
  tar -C "$dir" -cf - "${programs[@]}" \
    compare_peers.py peers.py commit lib $(cd "$dir" && ls -d data conformance 2>/dev/null) | xz -T0 -3 >"$dir/bundle.tar.xz"
  rm -rf "$dir"/GPUDiffeomorphicRegistration* "$dir/gdreg" "$dir"/gdreg-bench* "$dir"/*.py "$dir/commit" "$dir/lib" "$dir/data" "$dir/conformance"
  cp "$root/test/run-gpu.sh" "$dir/"
  du -sh "$dir"
}

failures=0
table=()
note() { table+=("$1"); echo "$1"; }

# The seconds that this call still has, at most $1.
seconds_left() {
  local left=$((limit - SECONDS))
  echo $((left < $1 ? left : $1))
}

# within SECONDS COMMAND...: ends it after that time, or when this call's is over
within() {
  local seconds
  seconds=$(seconds_left "$1")
  shift
  [ "$seconds" -gt 0 ] || return 124
  timeout "$seconds" "$@"
}

# check NAME COMMAND...: keeps the log under $OUT and counts a failure. 77 is a skip.
check() {
  local name=$1 start=$SECONDS status
  shift
  if [ "$(seconds_left 1)" -le 0 ]; then
    note "$(printf '%-46s NOT RUN, the time is over' "$name")"
    failures=$((failures + 1))
    return
  fi
  "$@" >"$out/$name.log" 2>&1
  status=$?
  case $status in
    0) note "$(printf '%-46s passed   %4d s' "$name" $((SECONDS - start)))" ;;
    77) note "$(printf '%-46s SKIPPED' "$name")" ;;
    *)
      note "$(printf '%-46s FAILED (%d) %d s' "$name" "$status" $((SECONDS - start)))"
      tail -n 15 "$out/$name.log"
      failures=$((failures + 1))
      ;;
  esac
}

# register DEVICE NAME FIXED MOVING OPTIONS...
register() {
  local device=$1 name=$2 fixed=$3 moving=$4
  within 240 "$dir/gdreg" register --fixed "$fixed" --moving "$moving" --output-prefix "$work/$name-$device" --linear none \
    --device "$device" --json "$out/$name-$device.json" --quiet "${@:5}"
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

# compare_fields A B: over two million voxels at most, so that the standard library is enough
compare_fields() {
  python3 - "$@" <<'P'
import array, math, sys
def field(path):
    raw = open(path, "rb").read()
    end = raw.index(b"ElementDataFile = LOCAL\n") + len(b"ElementDataFile = LOCAL\n")
    spacing = [float(v) for l in raw[:end].decode().splitlines() if l.startswith("ElementSpacing") for v in l.split("=")[1].split()]
    values = array.array("f")
    values.frombytes(raw[end:])
    return values, spacing
(a, spacing), (b, _) = field(sys.argv[1]), field(sys.argv[2])
if len(a) != len(b):
    sys.exit("the fields have %d and %d values" % (len(a), len(b)))
step = 3 * max(1, len(a) // 3 // 2000000)
places = range(0, len(a), step)
total = sum(math.sqrt(sum(((a[i + d] - b[i + d]) / spacing[d]) ** 2 for d in range(3))) for i in places)
print("mean |difference| of the fields, GPU and CPU: %.4f voxel" % (total / len(places)))
P
}

run_tests() {
  check engine-tests within 300 "$engine" --device "$accelerator"
  # the driver lists its tests when it is given none
  local driver=$dir/GPUDiffeomorphicRegistrationTestDriver test
  for test in $("$driver" </dev/null 2>/dev/null | sed -n 's/^ *[0-9]*\. //p'); do
    check "$test" within 240 "$driver" "$test" "$accelerator"
  done
}

# conform DEVICE PROGRAM ARGUMENTS...: one of ITK's tests, some of which only print what failed
conform() (
  status=0
  cd "$dir/conformance" || exit 1
  ITK_GPU_DIFFEOMORPHIC_DEVICE=$1 within 240 "$dir/$2" "${@:3}" >"$work/conform.log" 2>&1 </dev/null || status=$?
  cat "$work/conform.log"
  [ "$status" -ne 0 ] || ! grep -E -f failures.txt "$work/conform.log" || status=1
  exit "$status"
)

run_conformance() {
  local list=$dir/conformance/tests.txt name device program arguments
  if [ ! -f "$list" ]; then
    note "ITK's own tests were not packed"
    return
  fi
  mkdir -p "$dir/conformance/output"
  while read -r name device program arguments; do
    case $name in
      # shellcheck disable=SC2086
      *.itk | *."$accelerator") check "$name" conform "$device" "$program" $arguments ;;
    esac
  done <"$list"
}

# The tests that take a sanitizer's slowness: of every suite those that compare with double, or all if it has none such.
sanitized_tests() {
  local some='*MatchesDouble*:*MatchDouble*:RelaxFolds.*:*DirectionalDerivative*:AdamUpdate.Smoothed*:Greedy.ConvergenceEndsALevel' suite
  printf '%s' "$some"
  # not the suite that needs volumes past 2^31 voxels
  suites() { "$engine" --gtest_list_tests "$@" | grep -E '^[A-Za-z0-9_]+\.$' | grep -v '^LargeVolume' | sort; }
  for suite in $(comm -23 <(suites) <(suites --gtest_filter="$some")); do
    printf ':%s*' "$suite"
  done
  # whole registrations take minutes under racecheck; their operators are there, and shorter runs
  printf -- '-GaussNewton.*:GaussNewtonObjective.Taylor*:GaussNewtonObjective.GradientMatches*:GaussNewtonObjective.HessianIsSymmetric*'
  printf -- ':Symmetric.ImprovesEveryMetricBothWays:Symmetric.ExchangedImagesGiveTheInverse'
}

# sanitize_shards TOOL FILTER: in processes side by side, because racecheck alone would take many minutes in one
sanitize_shards() {
  local shards=6 shard status=0 pids=()
  for shard in $(seq 0 $((shards - 1))); do
    GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard within 280 "$sanitizer" --tool "$1" --report-api-errors no --error-exitcode 9 \
      "$engine" --device "$accelerator" --gtest_filter="$2" >"$work/$1-$shard.log" 2>&1 &
    pids+=($!)
  done
  for shard in $(seq 0 $((shards - 1))); do
    wait "${pids[$shard]}" || status=$?
    cat "$work/$1-$shard.log"
  done
  return $status
}

run_sanitize() {
  local sanitizer tool filter
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -1)
  filter=$(sanitized_tests)
  if [ "$accelerator" = cpu ]; then
    check sanitized-tests-on-cpu within 280 "$engine" --device cpu --gtest_filter="$filter"
  elif [ -z "$sanitizer" ]; then
    note "compute-sanitizer is not installed: its checks did not run"
  else
    for tool in memcheck initcheck racecheck; do
      check "$tool" sanitize_shards "$tool" "$filter"
    done
  fi
}

run_register() {
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
    # twice on the GPU, for the same bits
    mv "$work/$pair-${accelerator}_Field.mha" "$work/first.mha"
    check "$pair-again" register "$accelerator" "$pair" "$fixed" "$moving"
    check "$pair-same-bits" cmp "$work/first.mha" "$work/$pair-${accelerator}_Field.mha"
    check "$pair-gpu-and-cpu" compare_fields "$work/first.mha" "$work/$pair-cpu_Field.mha"
    note "$(tail -n 1 "$out/$pair-gpu-and-cpu.log")"
    local solver
    for solver in syn gauss-newton; do
      check "$pair-$solver" register "$accelerator" "$pair-$solver" "$fixed" "$moving" --solver "$solver"
      check "$pair-$solver-score" score_labels "$work/$pair-$solver-${accelerator}_Composite.h5" "$fixedLabels" "$movingLabels" \
        "$dir/data/$pair/labels30.txt" "$out/$pair-$solver-$accelerator.json"
      note "$(tail -n 1 "$out/$pair-$solver-score.log")"
    done
    rm -f "$work"/*.*
  done
}

# bench NAME OPTIONS...: also prints the table
bench() {
  local name=bench-$1
  shift
  check "$name" within 240 "$dir/gdreg-bench" --device "$accelerator" --json "$out/$name.json" "$@"
  [ ! -f "$out/$name.log" ] || cat "$out/$name.log"
}

# method NAME OPTIONS...: times Update() of the classes
method() {
  local name=method-$1
  shift
  check "$name" within 240 "$dir/gdreg-bench-method" --device "$accelerator" "$@"
  [ ! -f "$out/$name.log" ] || cat "$out/$name.log"
}

run_bench() {
  if [ "$accelerator" = cpu ]; then
    method 40x44x48 --size 40x44x48 --iterations 5x5x5 --runs 2
    bench 40x44x48 --size 40x44x48 --runs 3
    bench batch-2x16-of-16x16x16 --size 16x16x16 --batch 2x16 --filter '^Lncc/box3/padded/' --runs 3
    return
  fi
  method 256x300x256
  method 256x300x256-float --field float
  bench 160x192x224 --size 160x192x224
  bench 256x256x256 --size 256x256x256 --no-errors
  bench batch-2x16-of-128x128x128 --size 128x128x128 --batch 2x16 --filter '^Lncc/.*/(value|moving)$' --no-errors
  bench 512x512x512 --size 512x512x512 --no-errors \
    --filter '^(Lncc/box[1-4]/padded/(value|moving)|Resample/linear/value|Compose|Exponential/6|GaussianSmooth/vector/variance1|Downsample/2|MutualInformation/mattes32/moving|AdamUpdate|SmoothedAdamUpdate/variance2)$'
}

# peers NAME OPTIONS...
peers() {
  local name=peers-$1
  shift
  check "$name" within 240 "${PYTHON:-python3}" "$dir/compare_peers.py" --bench "$dir/gdreg-bench" --device "$accelerator" \
    --json "$out/$name.json" "$@"
  [ ! -f "$out/$name.log" ] || cat "$out/$name.log"
}

run_peers() {
  if [ "$accelerator" = cpu ]; then
    peers 40x44x48 --size 40x44x48 --runs 3
    peers batch-2x16-of-16x16x16 --size 16x16x16 --batch 2x16 --filter 'box 7' --runs 3
    return
  fi
  peers sizes --size 160x192x224 --size 256x256x256
  peers batch-2x16-of-128x128x128 --size 128x128x128 --batch 2x16 --filter 'box 7'
}

run() {
  accelerator=${ACCELERATOR:-cuda}
  out=${OUT:-$PWD/out}
  limit=$((SECONDS + ${LIMIT:-570}))
  local bundle=$1/bundle.tar.xz parts=(tests conformance sanitize register bench peers) part
  shift
  [ $# -eq 0 ] || parts=("$@")
  for part in "${parts[@]}"; do
    declare -F "run_$part" >/dev/null || { echo "run-gpu.sh: there is no part $part" >&2; exit 2; }
  done
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  dir=$work/bundle
  engine=$dir/GPUDiffeomorphicRegistrationEngineTest
  mkdir -p "$out" "$dir"
  tar -C "$dir" -xf "$bundle" || exit 1
  local toolkit # cuFFT's library is not packed: it alone is larger than all the rest
  toolkit=$(printf '%s:' /usr/local/cuda*/lib64)
  export LD_LIBRARY_PATH=$dir/lib:$toolkit${LD_LIBRARY_PATH:-} PYTHONDONTWRITEBYTECODE=1
  local gpu
  gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1)
  note "$(date -u +%Y-%m-%d) commit $(tr '\n' ' ' <"$dir/commit" 2>/dev/null)${gpu:-no GPU}, ${parts[*]}"
  "$dir/gdreg" devices
  for part in "${parts[@]}"; do
    "run_$part"
  done
  printf '\n'
  printf '%s\n' "${table[@]}" | tee "$out/summary-$(IFS=-; echo "${parts[*]}").txt"
  [ "$failures" -eq 0 ]
}

case ${1:-both} in
  pack) pack "${2:?usage: test/run-gpu.sh pack DIR [DATA]}" "${3:-}" ;;
  run)
    shift
    run "${@:?usage: test/run-gpu.sh run DIR [PART]...}"
    ;;
  both)
    (pack "$root/carry")
    LIMIT=${LIMIT:-3600} run "$root/carry"
    ;;
  *)
    sed -n '2,/^set -/{/^set -/!p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
