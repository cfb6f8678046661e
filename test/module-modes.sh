#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds this module in the ways that test/run.sh does not:
#   test/module-modes.sh <ITK source folder> <work folder> [external] [inside] [install]
# external: through ITKModuleExternal.cmake, as against an ITK build tree. Installed libraries are given the macros of the
#           matching sources by a two-line ITKConfig.cmake, which spares building ITK.
# inside:   as Modules/Remote/GPUDiffeomorphicRegistration of ITK's sources, configured only.
# install:  installed from the default mode, and used by a project of its own.
# The sources have to be of the installed version; on Debian 12: apt-get source insighttoolkit5 (needs a deb-src entry).
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '3,10p' "$0"
  exit 2
fi
source=$(cd "$1" && pwd)
mkdir -p "$2"
work=$(cd "$2" && pwd)
shift 2
[ $# -gt 0 ] || set -- external inside install
module=$(cd "$(dirname "$0")/.." && pwd)
jobs=${JOBS:-$(nproc)}
options=(-DCMAKE_BUILD_TYPE=Release -DITK_USE_KWSTYLE=OFF -DITK_USE_CLANG_FORMAT=OFF -DITK_USE_CLANGFORMAT=OFF)

# quietly <log> <command...>
quietly()
{
  local log=$1
  shift
  "$@" > "$log" 2>&1 || { grep -nE -A6 'CMake Error|error:' "$log" | head -n 40; tail -n 15 "$log"; exit 1; }
}

external()
{
  local config shim=$work/shim
  config=$(find /usr/lib /usr/local/lib -name ITKConfig.cmake -path '*cmake/ITK*' 2> /dev/null | head -n 1)
  mkdir -p "$shim/bin" "$shim/lib"
  cp "$(dirname "$config")/ITKConfigVersion.cmake" "$shim/"
  printf 'include(%s)\nset(ITK_CMAKE_DIR %s/CMake)\n' "$config" "$source" > "$shim/ITKConfig.cmake"
  quietly "$work/external-configure.log" cmake -S "$module" -B "$work/external" "${options[@]}" -DITK_DIR="$shim" \
    -DBUILD_TESTING=ON -DBUILD_SHARED_LIBS=ON -DGPUDiffeomorphicRegistration_USE_CUDA=OFF
  quietly "$work/external-build.log" cmake --build "$work/external" -j "$jobs"
  (cd "$work/external" && quietly "$work/external-test.log" ctest --output-on-failure -E 'cuda|KWStyle')
  grep 'tests passed' "$work/external-test.log"
}

inside()
{
  rm -rf "$work/itk"
  mkdir -p "$work/itk"
  cp -as "$source/." "$work/itk/"
  rm -f "$work/itk/Modules/Remote/GPUDiffeomorphicRegistration"
  mkdir "$work/itk/Modules/Remote/GPUDiffeomorphicRegistration"
  # a copy, without what was built
  (cd "$module" && tar -c --exclude='./build*' --exclude=./.git .) |
    tar -x -C "$work/itk/Modules/Remote/GPUDiffeomorphicRegistration"
  quietly "$work/inside-configure.log" cmake -S "$work/itk" -B "$work/inside" "${options[@]}" -DBUILD_TESTING=ON \
    -DBUILD_SHARED_LIBS=ON -DITK_BUILD_DEFAULT_MODULES=OFF -DModule_GPUDiffeomorphicRegistration=ON \
    -DGPUDiffeomorphicRegistration_USE_CUDA=OFF -DITK_FORBID_DOWNLOADS=ON
  grep -q GPUDiffeomorphicRegistration "$work/inside/CMakeFiles/TargetDirectories.txt"
}

install()
{
  quietly "$work/install-configure.log" cmake -S "$module" -B "$work/default" "${options[@]}" -DBUILD_TESTING=OFF \
    -DCMAKE_INSTALL_PREFIX="$work/prefix" -DGPUDiffeomorphicRegistration_USE_CUDA=OFF
  quietly "$work/install-build.log" cmake --build "$work/default" -j "$jobs" --target install
  mkdir -p "$work/consumer"
  cat > "$work/consumer/CMakeLists.txt" << 'END'
cmake_minimum_required(VERSION 3.22)
project(Consumer LANGUAGES C CXX)
find_package(GPUDiffeomorphicRegistration REQUIRED)
add_executable(Consumer Consumer.cxx)
target_link_libraries(Consumer PRIVATE ITK::GPUDiffeomorphicRegistration)
END
  cat > "$work/consumer/Consumer.cxx" << 'END'
#include "itkGPUDiffeomorphicRegistrationMethod.h"
#include "itkGPUWarpImageFilter.h"
#include <iostream>
int
main()
{
  using ImageType = itk::Image<float, 3>;
  auto method = itk::GPUDiffeomorphicRegistrationMethod<ImageType, ImageType>::New();
  auto filter = itk::GPUWarpImageFilter<ImageType>::New();
  for (const auto & device : itk::GPUDiffeomorphicEngine::GetDevices())
  {
    std::cout << device.name << std::endl;
  }
  return method && filter ? 0 : 1;
}
END
  quietly "$work/consumer-configure.log" cmake -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PREFIX_PATH="$work/prefix"
  quietly "$work/consumer-build.log" cmake --build "$work/consumer/build"
  "$work/consumer/build/Consumer"
}

for mode in "$@"; do
  started=$SECONDS
  "$mode"
  echo "$mode: good ($((SECONDS - started)) s)"
done
