#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds everything in build-test/ and runs all tests, from nothing but a fresh Debian 12: installs what is missing
# (root or sudo). With a CUDA compiler the CUDA backend is built too, for architecture 90 unless CUDAARCHS says otherwise;
# tests that need a GPU are skipped where there is none.
#   test/run.sh [options of ctest...]       BUILD_DIR and JOBS (of the compiler and of ctest) may be set
# With ITK_CONFORMANCE_SOURCE_DIR, ITK's source tree of the installed version (apt-get source insighttoolkit5), ITK's own
# test programs are run on this module's classes too: some 10 minutes more.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-$PWD/build-test}
jobs=${JOBS:-$(nproc)}
started=$SECONDS

step()
{
  printf '== %s (%d:%02d)\n' "$*" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
}

step "packages"
missing=()
for package in ca-certificates cmake make g++ git jq libcli11-dev libfftw3-dev libgtest-dev libinsighttoolkit5-dev mricron-data nlohmann-json3-dev; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi

cuda=OFF
if command -v nvcc > /dev/null; then
  cuda=ON
elif [ -x /usr/local/cuda/bin/nvcc ]; then
  cuda=ON
  export CUDACXX=/usr/local/cuda/bin/nvcc
fi
[ $cuda = OFF ] || export CUDAARCHS=${CUDAARCHS:-90}

step "configure (CUDA: $cuda${CUDAARCHS:+, architecture $CUDAARCHS})"
mkdir -p "$build"
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON \
  -DModule_GPUDiffeomorphicRegistration_BUILD_EXAMPLES=ON \
  -DGPUDiffeomorphicRegistration_USE_CUDA=$cuda \
  ${ITK_CONFORMANCE_SOURCE_DIR:+-DITK_CONFORMANCE_SOURCE_DIR="$ITK_CONFORMANCE_SOURCE_DIR"} \
  -DGPUDiffeomorphicRegistration_WARNINGS_AS_ERRORS=ON > "$build/configure.log" 2>&1 ||
  { tail -n 40 "$build/configure.log"; exit 1; }

step "build with $jobs jobs"
cmake --build "$build" -j "$jobs" > "$build/build.log" 2>&1 ||
  { grep -nE 'error|Error|warning:' "$build/build.log" | head -n 40; tail -n 20 "$build/build.log"; exit 1; }

step "tests, $jobs at once"
status=0
(cd "$build" && ctest -j "$jobs" --output-on-failure --no-tests=error "$@") 2>&1 | tee "$build/ctest.log" || status=$?

step "result"
sed -n '/tests passed/,$p' "$build/ctest.log"
skipped=$(grep -c '\*\*\*Skipped' "$build/ctest.log" || true)
if [ $status -eq 0 ]; then
  echo "PASSED: $(grep -c ' Passed ' "$build/ctest.log") tests passed, $skipped skipped (they need a GPU), none failed"
else
  echo "FAILED: see $build/ctest.log and $build/Testing/Temporary/LastTest.log"
fi
exit $status
