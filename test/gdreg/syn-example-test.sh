#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs examples/SyNRegistration on small images, and scores it:
#   syn-example-test.sh <SyNRegistration> <gdreg> <folder of MakeTestImages> <work folder> <device>
# Exit code 77 when the device is not there.
set -eu
example=$1 gdreg=$2 tools=$3 work=$4
export ITK_GPU_DIFFEOMORPHIC_DEVICE=$5
if [ "$5" != cpu ] && ! "$gdreg" devices | grep -q '^cuda:[0-9]'; then
  echo "skipped: no GPU"
  exit 77
fi
rm -rf "$work"
mkdir -p "$work"
"$tools/MakeTestImages" "$work"
cd "$work"
labels=(--fixed-labels fixed_labels3.nii.gz --moving-labels moving_labels3.nii.gz --quiet)
"$example" fixed3.nii.gz moving3.nii.gz transform.h5
"$gdreg" score "${labels[@]}" --json before.json
"$gdreg" score "${labels[@]}" --transform transform.h5 --json after.json
before=$(jq .labels.mean_dice before.json)
after=$(jq .labels.mean_dice after.json)
echo "mean Dice $before -> $after"
jq -en "$after > 0.93 and $after > $before" > /dev/null
! "$example" fixed3.nii.gz 2> /dev/null
