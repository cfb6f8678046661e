#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Registers one person's head to another's on a fresh Debian 12, as root or with sudo:
#
#   examples/quickstart.sh [--cpu]
#
# Installs what is missing with apt, builds into build/, registers the head of the ITK examples to the Colin27
# template of MRIcron, prints how well the brain masks match before and after, and says where the report is.
# --cpu builds and uses the CPU backend even where there is a GPU.
set -euo pipefail

usage="usage: $0 [--cpu]"
cpu=no
for argument in "$@"; do
  case "$argument" in
    --cpu) cpu=yes ;;
    -h | --help)
      echo "$usage"
      exit 0
      ;;
    *)
      echo "$usage" >&2
      exit 1
      ;;
  esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
out=$build/quickstart
data=$build/quickstart-data
log=$build/quickstart.log
mkdir -p "$out" "$data"

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'quickstart: %s\n' "$*" >&2
  exit 1
}
# Runs a command that talks much: its words go to a file, and are shown if it fails.
quietly() {
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "failed: $*"
  fi
}

privileged=()
if [ "$(id -u)" -ne 0 ]; then
  privileged=(sudo)
fi
updated=no
update() {
  if [ $updated = no ]; then
    command -v apt-get >/dev/null || fail "apt-get is not here: this script is for Debian 12 and its relatives"
    if [ "${#privileged[@]}" -gt 0 ] && ! command -v sudo >/dev/null; then
      fail "packages are missing and there is no sudo: run this as root"
    fi
    quietly "${privileged[@]}" apt-get update
    updated=yes
  fi
}
is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

say "Packages"
template=/usr/share/mricron/templates
example=/usr/share/doc/insighttoolkit5-examples/examples/Data
wanted=(ca-certificates cmake g++ make libinsighttoolkit5-dev libcli11-dev libfftw3-dev nlohmann-json3-dev)
[ -f $template/ch2.nii.gz ] || wanted+=(mricron-data)
[ -f $example/KmeansTest_T1UCharRaw.nii.gz ] || wanted+=(insighttoolkit5-examples)
missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing ${missing[*]}"
  update
  quietly "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
else
  echo "all there"
fi

# Containers often leave out /usr/share/doc: then the images come out of the package files.
fetch() { # package, folder in the package
  local unpacked=$data/$1
  if [ ! -d "$unpacked$2" ]; then
    update
    echo "unpacking $1" >&2
    (
      cd "$data"
      rm -f "$1"_*.deb
      quietly apt-get download "$1"
      rm -rf "$unpacked" "$unpacked.part"
      quietly dpkg-deb -x "$1"_*.deb "$unpacked.part"
      mv "$unpacked.part" "$unpacked"
      rm -f "$1"_*.deb
    )
  fi
}
if [ ! -f $template/ch2.nii.gz ]; then
  fetch mricron-data $template
  template=$data/mricron-data$template
fi
if [ ! -f $example/KmeansTest_T1UCharRaw.nii.gz ]; then
  fetch insighttoolkit5-examples $example
  example=$data/insighttoolkit5-examples$example
fi
fixed=$template/ch2.nii.gz
fixed_brain=$template/ch2bet.nii.gz
moving=$example/KmeansTest_T1UCharRaw.nii.gz
moving_brain=$example/KmeansTest_T1RawSkullStrip.nii.gz
for image in "$fixed" "$fixed_brain" "$moving" "$moving_brain"; do
  [ -f "$image" ] || fail "the example image $image is not there"
done

say "Build"
options=(-DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DModule_GPUDiffeomorphicRegistration_BUILD_EXAMPLES=ON)
device=auto
PATH=$PATH:/usr/local/cuda/bin
if [ $cpu = yes ]; then
  options+=(-DGPUDiffeomorphicRegistration_USE_CUDA=OFF)
  device=cpu
elif command -v nvcc >/dev/null && nvidia-smi >/dev/null 2>&1; then
  echo "with the CUDA backend"
  options+=(-DGPUDiffeomorphicRegistration_USE_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native)
else
  echo "CPU backend only: no CUDA compiler or no GPU here"
  options+=(-DGPUDiffeomorphicRegistration_USE_CUDA=OFF)
fi
started=$SECONDS
quietly cmake -S "$root" -B "$build" "${options[@]}"
quietly cmake --build "$build" --target gdreg --parallel "$(nproc)"
gdreg=$build/examples/gdreg/gdreg
echo "$gdreg, $((SECONDS - started)) s"

say "Register"
"$gdreg" register --fixed "$fixed" --moving "$moving" --output-prefix "$out/head" --device $device \
  --report "$out/report.html" --json "$out/run.json"

say "Brain masks"
# The masks are images that are not zero inside the brain: the Dice of all labels together.
dice() {
  "$gdreg" score --fixed-labels "$fixed_brain" --moving-labels "$moving_brain" --device $device "$@" |
    sed -n 's/^Dice .*union \([0-9.]*\).*/\1/p'
}
"$gdreg" apply --moving "$moving_brain" --reference "$fixed" --transform "$out/head_Composite.h5" \
  --interpolation nearest --device $device --output "$out/head_Brain.nii.gz"
echo "Dice before  $(dice)"
echo "Dice after   $(dice --transform "$out/head_Composite.h5")"

say "Done"
echo "report  $out/report.html"
echo "images  $out/head_Warped.nii.gz and $out/head_Brain.nii.gz on the grid of $fixed"
