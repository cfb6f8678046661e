#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tests the program gdreg:
#   gdreg-test.sh <gdreg> <folder of MakeTestImages and CheckOutputs> <work folder> <device> <part>
# Parts: bad-input, register2, register3, syn, gauss-newton, commands. Exit code 77 when the device is not there.
set -u
gdreg=$1
tools=$2
work=$3
device=$4
part=$5
failures=0

fail()
{
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# check <command...>: it has to succeed
check()
{
  "$@" > "$work/check.log" 2>&1 || { fail "$*"; tail -n 5 "$work/check.log"; }
}

# bad <text> <arguments of gdreg...>: exit code 1, one line on stderr that holds the text, and nothing written
bad()
{
  local needle=$1
  shift
  rm -rf "$work/out" && mkdir -p "$work/out"
  "$gdreg" "$@" > "$work/stdout" 2> "$work/stderr"
  local code=$?
  echo "expected: $(cat "$work/stderr")"
  [ $code -eq 1 ] || fail "exit code $code instead of 1: gdreg $*"
  [ "$(wc -l < "$work/stderr")" -eq 1 ] || fail "$(wc -l < "$work/stderr") lines on stderr instead of 1: gdreg $*"
  grep -qF -e "$needle" "$work/stderr" || fail "the message does not name $needle: gdreg $*"
  [ -z "$(ls -A "$work/out")" ] || fail "$(ls -A "$work/out") was written: gdreg $*"
}

# number <json> <jq expression>: the expression has to hold
number()
{
  jq -e "$2" "$1" > /dev/null 2>&1 || fail "$2 does not hold in $1"
}

rm -rf "$work" && mkdir -p "$work/in" "$work/out" || exit 1
if [ "$device" != cpu ] && ! "$gdreg" devices | grep -q '^cuda:[0-9]'; then
  echo "skipped: no GPU"
  exit 77
fi
"$tools/MakeTestImages" "$work/in" || exit 1
cd "$work/in" || exit 1
P=$work/out/P

# bad_option <option> <value> [<option> <value>...]: a good register run but for these; the message names the first
bad_option()
{
  local -A options=([--fixed]=fixed3.nii.gz [--moving]=moving3.nii.gz [--output-prefix]=$P [--linear]=none
    [--shrink-factors]=2 [--smoothing-sigmas]=1 [--iterations]=2 [--device]=$device)
  local needle=$1 option
  while [ $# -gt 1 ]; do
    options[$1]=$2
    shift 2
  done
  local arguments=()
  for option in "${!options[@]}"; do
    arguments+=("$option" "${options[$option]}")
  done
  bad "$needle" register "${arguments[@]}"
}

bad_input()
{
  bad subcommand
  bad subcommand nonsense
  bad --fixed register --moving moving3.nii.gz --output-prefix "$P"
  bad --output-prefix register --fixed fixed3.nii.gz --moving moving3.nii.gz
  bad_option --nonsense 1

  # files
  local with
  for with in absent.nii.gz text.nii.gz 4d.nii.gz rgb.png nan.mha infinite.mha constant.mha "$work/in"; do
    bad_option --fixed "$with"
    bad_option --moving "$with"
  done
  bad_option --moving moving2.nii.gz
  bad_option --moving moving3.nii.gz --fixed fixed2.nii.gz
  for with in other_grid_mask.nii.gz fixed_mask2.nii.gz empty_mask3.nii.gz absent.nii.gz text.nii.gz rgb.png; do
    bad_option --fixed-mask "$with"
  done
  bad_option --moving-mask fixed_mask3.nii.gz
  local more=(register --fixed fixed3.nii.gz --moving moving3.nii.gz --linear none --output-prefix "$P")
  bad --moving "${more[@]}" --fixed fixed3.nii.gz
  bad --fixed "${more[@]}" --fixed fixed2.nii.gz --moving moving3.nii.gz
  bad --fixed "${more[@]}" --fixed moving3.nii.gz --moving moving3.nii.gz
  bad --moving "${more[@]}" --fixed fixed3.nii.gz --moving fixed3.nii.gz
  bad --moving "${more[@]}" --fixed fixed3.nii.gz --moving constant.mha
  bad --weight "${more[@]}" --weight 1 --weight 2
  bad --weight "${more[@]}" --weight 0
  bad --weight "${more[@]}" --weight nan
  for with in absent.tfm text.h5 two.tfm field2.mha fixed3.nii.gz far.tfm far_composite.h5; do
    bad_option --initial-transform "$with"
  done
  bad_option --moving far.mha
  grep -q overlap "$work/stderr" || fail "the message does not speak of the overlap"
  if truncate -s 4398046511104 huge.raw 2> /dev/null; then
    bad_option --fixed huge.mhd
    grep -q "needs\|memory" "$work/stderr" || fail "the message does not say how much memory is needed"
    bad_option --moving huge.mhd
    rm huge.raw
  fi

  # places to write to
  bad_option --output-prefix "$work/absent/P"
  bad_option --output-prefix /proc/P
  bad_option --output-prefix fixed3.nii.gz/P
  bad_option --report "$work/absent/report.html"
  bad_option --json "$work/absent/numbers.json"
  bad_option --json "$work/out"

  # numbers and names
  bad_option --smoothing-sigmas 1 --shrink-factors 2x1 --iterations 2x2
  bad_option --iterations 2 --shrink-factors 2x1 --smoothing-sigmas 1x0
  for with in 0 -1 1.5 abc 2x 2x0 1e9 ""; do
    bad_option --shrink-factors "$with"
  done
  for with in -1 abc nan inf 1e9 1x; do
    bad_option --smoothing-sigmas "$with"
  done
  for with in -1 abc 1.5 1e12; do
    bad_option --iterations "$with"
  done
  for with in 0 -0.5 nan inf 1e9 abc; do
    bad_option --learning-rate "$with"
  done
  for with in -1 nan 1e9; do
    bad_option --update-variance "$with"
    bad_option --total-variance "$with"
  done
  for with in 0 -3 1000 2.5 abc; do
    bad_option --radius "$with"
  done
  for with in 7 257 -3 2.5 abc; do
    bad_option --bins "$with"
  done
  for with in 1e-6 abc,10 1e-6,1 -1,10 1e-6,10,3 1e-6,x; do
    bad_option --convergence "$with"
  done
  bad_option --threads -1
  bad_option --metric mutual
  bad_option --step-rule newton
  bad_option --step-rule itk
  bad_option --step-rule levenberg --solver syn
  bad_option --parametrization velocity --solver syn
  bad_option --step-reductions 1 --solver syn
  bad_option --diffusion-weight 1 --solver syn
  bad_option --volume-weight 1 --solver syn
  bad_option --parametrization spline
  bad_option --step-reductions -1
  bad_option --diffusion-weight -1
  bad_option --volume-weight nan
  bad_option --solver demons
  local newton
  for newton in "--beta 0" "--beta -1" "--beta nan" "--beta-div -1" "--initial-beta -1" "--time-steps 0" "--segments 0" \
    "--gradient-reduction 0" "--forcing sometimes" "--forcing 0" "--krylov-iterations 0" "--regularization h4" \
    "--preconditioner magic" "--padding -1" "--padding some" "--step-rule gradient" "--learning-rate 0.1" \
    "--parametrization velocity" "--velocity $work/absent/v.mha" "--velocity $work/out/v.nonsense"; do
    # shellcheck disable=SC2086
    bad_option $newton --solver gauss-newton
  done
  bad_option --beta 1
  bad_option --velocity "$work/out/v.mha"
  bad_option --linear elastic
  for with in tpu cuda:99 cuda:x ""; do
    bad_option --device "$with"
  done

  # the other commands
  local apply=(apply --moving moving3.nii.gz --reference fixed3.nii.gz --transform shift.tfm)
  bad --output "${apply[@]}"
  bad --output "${apply[@]}" --output "$work/absent/a.nii.gz"
  bad --output "${apply[@]}" --output "$work/out/a.nonsense"
  bad --interpolation "${apply[@]}" --output "$work/out/a.nii.gz" --interpolation magic
  bad --device "${apply[@]}" --output "$work/out/a.nii.gz" --device cuda:99
  for with in absent.tfm text.h5 text.nii.gz field2.mha fixed3.nii.gz; do
    bad --transform apply --moving moving3.nii.gz --reference fixed3.nii.gz --transform "$with" \
      --output "$work/out/a.nii.gz"
    bad --transform compose --transform "$with" --reference fixed3.nii.gz --output "$work/out/c.mha"
  done
  bad --moving apply --moving nan.mha --reference fixed3.nii.gz --transform shift.tfm --output "$work/out/a.nii.gz"
  bad --reference apply --moving moving3.nii.gz --reference fixed2.nii.gz --transform shift.tfm \
    --output "$work/out/a.nii.gz"
  for with in absent.mha text.nii.gz fixed3.nii.gz rgb.png; do
    bad --field invert --field "$with" --output "$work/out/v.mha"
    bad --field jacobian --field "$with" --output "$work/out/j.mha"
  done
  bad --velocity velocity --velocity absent.mha --output "$work/out/u.mha"
  bad --velocity velocity --velocity fixed3.nii.gz --output "$work/out/u.mha"
  bad --time-steps velocity --velocity field2.mha --time-steps 0 --output "$work/out/u.mha"
  bad --output velocity --velocity field2.mha --output "$work/absent/u.mha"
  bad --output invert --field field2.mha --output "$work/absent/v.mha"
  bad --fixed-labels score --fixed-labels absent.nii.gz --moving-labels moving_labels3.nii.gz --transform shift.tfm
  bad --moving-labels score --fixed-labels fixed_labels3.nii.gz --moving-labels text.nii.gz --transform shift.tfm
  bad -labels score --fixed-labels fixed_labels3.nii.gz --transform shift.tfm
  bad -points score --fixed-points points_fixed.csv --moving-points points_short.csv
  bad -points score --fixed-points points_fixed.csv --moving-points points_bad.csv
  bad --moving-points score --fixed-points points_fixed.csv --moving-points absent.csv
  bad -labels score
  local points=(apply --points points_fixed.csv --transform shift.tfm)
  bad --output "${points[@]}"
  bad --output "${points[@]}" --output "$work/out/points.nii.gz"
  bad --output "${points[@]}" --output "$work/absent/points.csv"
  bad --moving "${points[@]}" --output "$work/out/points.csv" --moving moving3.nii.gz
  bad --reference "${points[@]}" --output "$work/out/points.csv" --reference fixed3.nii.gz
  bad --transform "${points[@]}" --output "$work/out/points.csv" --transform field2.mha
  bad --moving apply --reference fixed3.nii.gz --transform shift.tfm --output "$work/out/a.nii.gz"
  bad --reference apply --moving moving3.nii.gz --transform shift.tfm --output "$work/out/a.nii.gz"
  for with in absent.csv points_bad.csv points_system.fcsv points_none.fcsv "$work/in"; do
    bad --points apply --points "$with" --transform shift.tfm --output "$work/out/points.csv"
  done
}

# register <dimension> <linear> [options...]: a run from images to files, and every file checked
register()
{
  local d=$1 linear=$2
  local prefix=$work/out/$linear$d fixed=fixed$d.nii.gz moving=moving$d.nii.gz
  local labels=(--fixed-labels "fixed_labels$d.nii.gz" --moving-labels "moving_labels$d.nii.gz")
  local pair=(--fixed "$fixed" --moving "$moving" --linear "$linear" --device "$device"
    --shrink-factors 2x1 --smoothing-sigmas 1x0 --iterations 60x30 "${@:3}")
  if ! "$gdreg" register "${pair[@]}" --output-prefix "$prefix" \
    --report "$prefix.html" --json "$prefix.json" > "$work/stdout" 2> "$work/stderr"; then
    fail "register $d $linear: $(cat "$work/stderr")"
    return
  fi
  local file
  for file in Composite.h5 Field.mha InverseField.mha Warped.nii.gz; do
    [ -s "${prefix}_$file" ] || fail "${prefix}_$file is missing"
  done
  [ -z "$(find "$work/out" -name '*tmp*' -o -name '*partial*')" ] || fail "a temporary file is left"
  check "$tools/CheckOutputs" composite "$fixed" "$moving" "${prefix}_Composite.h5" "${prefix}_Warped.nii.gz" 0.05
  check "$tools/CheckOutputs" field "$fixed" "${prefix}_Field.mha" "${prefix}_Composite.h5" 0.01
  check "$tools/CheckOutputs" inverse "${prefix}_Field.mha" "${prefix}_InverseField.mha" 0.1

  local json=$prefix.json
  number "$json" .
  number "$json" ".dimension == $d"
  number "$json" '.jacobian.folded_voxels == 0 and .jacobian.minimum > 0'
  number "$json" '.inverse_consistency_voxels.mean < 0.1'
  number "$json" '.deformable.levels | length == 2'
  number "$json" '.deformable.metric_after != .deformable.metric_before'
  number "$json" '.ncc.after > .ncc.before and .ncc.after > 0.9'
  number "$json" '.seconds.total > 0'
  number "$json" '.device.name != ""'

  # one file that needs nothing else: no address but names of XML
  [ -s "$prefix.html" ] || fail "there is no report"
  grep -qi '<html' "$prefix.html" || fail "the report is not HTML"
  if grep -oiE '(src|href)="[^"#][^"]*"' "$prefix.html" | grep -qviE '="data:'; then
    fail "the report refers to something outside it"
  fi
  if grep -oE 'https?://[^"'"'"' <)]*' "$prefix.html" | grep -qv '^http://www.w3.org/'; then
    fail "the report holds an address: $(grep -oE 'https?://[^" <)]*' "$prefix.html" | sort -u | head -n 3)"
  fi
  grep -qiE '@import|<script[^>]*src' "$prefix.html" && fail "the report loads something"

  # the same again gives the same bits
  "$gdreg" register "${pair[@]}" --output-prefix "$work/out/again" --quiet > "$work/stdout" 2>&1 ||
    fail "the second run"
  [ -s "$work/stdout" ] && fail "--quiet prints: $(cat "$work/stdout")"
  cmp "${prefix}_Field.mha" "$work/out/again_Field.mha" || fail "two runs differ"

  check "$gdreg" apply --moving "$moving" --reference "$fixed" --transform "${prefix}_Composite.h5" \
    --output "$work/out/applied.nii.gz" --device "$device"
  check "$tools/CheckOutputs" same "$work/out/applied.nii.gz" "${prefix}_Warped.nii.gz" 0.05
  check "$gdreg" apply --moving "$moving" --reference "$fixed" --transform "${prefix}_Field.mha" \
    --output "$work/out/applied.nii.gz" --device "$device"
  check "$tools/CheckOutputs" same "$work/out/applied.nii.gz" "${prefix}_Warped.nii.gz" 0.05
  check "$gdreg" jacobian --field "${prefix}_Field.mha" --output "$work/out/jacobian.nii.gz" --device "$device"
  check "$tools/CheckOutputs" above "$work/out/jacobian.nii.gz" 0

  # labels: better than before, and close
  check "$gdreg" score "${labels[@]}" --json "$work/before.json"
  check "$gdreg" score "${labels[@]}" \
    --transform "${prefix}_Composite.h5" --json "$work/after.json"
  local before after
  before=$(jq .labels.mean_dice "$work/before.json")
  after=$(jq .labels.mean_dice "$work/after.json")
  echo "$d $linear: mean Dice $before -> $after"
  jq -en "$after > 0.93 and $after > $before" > /dev/null || fail "mean Dice $before -> $after"
}

gauss_newton()
{
  register 2 affine --solver gauss-newton --velocity "$work/out/velocity2.mha"
  register 3 none --solver gauss-newton --velocity "$work/out/velocity3.nii.gz"
  local json=$work/out/none3.json
  # a level that begins where its gradient is small enough takes no step
  number "$json" '[.deformable.levels[] | .hessian_products >= .newton_steps and .beta == 5e-4] | all'
  number "$json" '.deformable.levels[0].newton_steps > 0'
  number "$json" '[.deformable.levels[] | .gradient_norm[-1] < .gradient_norm_without_velocity] | all'
  number "$json" '.deformable.relative_mismatch < 0.5 and .settings.metric == "ssd"'
  number "$json" '.deformable.periodic_domain | length == 3'

  # the velocity gives the displacement and the way back, but near the border where the grid was enlarged
  local pair=(register --fixed fixed3.nii.gz --moving moving3.nii.gz --linear none --solver gauss-newton --shrink-factors 2
    --iterations 10 --device "$device" --quiet --padding none)
  check "$gdreg" "${pair[@]}" --output-prefix "$work/out/V" --velocity "$work/out/V.mha"
  check "$gdreg" velocity --velocity "$work/out/V.mha" --output "$work/out/u.mha" --device "$device"
  check "$tools/CheckOutputs" fields "$work/out/u.mha" "$work/out/V_Field.mha" 1e-4
  check "$gdreg" velocity --velocity "$work/out/V.mha" --output "$work/out/v.mha" --invert --time-steps 16 --device "$device"
  check "$tools/CheckOutputs" inverse "$work/out/u.mha" "$work/out/v.mha" 0.1
  check "$gdreg" "${pair[@]}" --output-prefix "$work/out/K" --segments 2 --velocity "$work/out/K.nii.gz"
  check "$gdreg" velocity --velocity "$work/out/K_1.nii.gz" --velocity "$work/out/K_2.nii.gz" --output "$work/out/u.mha" \
    --device "$device"
  check "$tools/CheckOutputs" fields "$work/out/u.mha" "$work/out/K_Field.mha" 1e-4

  # the other options
  check "$gdreg" "${pair[@]}" --output-prefix "$work/out/O" --regularization h2s --beta 1e-5 --beta-div 1e-5 --initial-beta 1e-3 \
    --time-steps 8 --gradient-reduction 0.1 --forcing 0.2 --krylov-iterations 20 --preconditioner inverse-regularization \
    --metric lncc --radius 2 --json "$work/out/O.json"
  number "$work/out/O.json" '.settings.regularization == "h2s" and .settings.forcing == "0.2" and .settings["initial-beta"] == "0.001"'
  number "$work/out/O.json" '.deformable.metric_after > .deformable.metric_before and .deformable.levels[0].preconditioner_products == 0'
}

commands()
{
  local prefix=$work/out/P
  "$gdreg" register --fixed fixed3.nii.gz --moving moving3.nii.gz --output-prefix "$prefix" --linear rigid \
    --shrink-factors 2 --smoothing-sigmas 1 --iterations 40 --fixed-mask fixed_mask3.nii.gz --metric ssd \
    --device "$device" --quiet || fail "register with a mask and mean squares"
  "$gdreg" register --fixed fixed3.nii.gz --moving moving3.nii.gz --output-prefix "$work/out/information" \
    --linear rigid --shrink-factors 2 --smoothing-sigmas 1 --iterations 40 --fixed-mask fixed_mask3.nii.gz \
    --metric mi --bins 24 --device "$device" --json "$work/information.json" --quiet ||
    fail "register with a mask and mutual information"
  number "$work/information.json" '.deformable.metric == "mutual information"'
  number "$work/information.json" '.deformable.metric_after > .deformable.metric_before'

  check "$gdreg" compose --transform shift.tfm --transform "${prefix}_Composite.h5" --reference fixed3.nii.gz \
    --output "$work/out/composed.mha" --device "$device"
  check "$gdreg" apply --moving moving3.nii.gz --reference fixed3.nii.gz --transform "$work/out/composed.mha" \
    --output "$work/out/a.nii.gz" --device "$device"
  check "$gdreg" apply --moving moving3.nii.gz --reference fixed3.nii.gz --transform shift.tfm \
    --transform "${prefix}_Composite.h5" --output "$work/out/b.nii.gz" --device "$device"
  check "$tools/CheckOutputs" same "$work/out/a.nii.gz" "$work/out/b.nii.gz" 0.1

  # several pairs of images: one twice is that one, and labels beside it match better with more weight
  local pair=(--fixed fixed3.nii.gz --moving moving3.nii.gz) labels=(--fixed fixed_labels3.nii.gz --moving moving_labels3.nii.gz)
  local levels=(--linear none --shrink-factors 2x1 --smoothing-sigmas 1x0 --iterations 30x10 --device "$device" --quiet)
  check "$gdreg" register "${pair[@]}" "${levels[@]}" --output-prefix "$work/out/one"
  check "$gdreg" register "${pair[@]}" "${pair[@]}" "${levels[@]}" --output-prefix "$work/out/two"
  cmp "$work/out/one_Field.mha" "$work/out/two_Field.mha" || fail "the same pair twice gives another field"
  local weight
  for weight in 0.01 4; do
    check "$gdreg" register "${pair[@]}" "${labels[@]}" --weight 1 --weight $weight "${levels[@]}" \
      --output-prefix "$work/out/weighted" --json "$work/out/weighted.json"
    check "$gdreg" score --fixed-labels fixed_labels3.nii.gz --moving-labels moving_labels3.nii.gz \
      --transform "$work/out/weighted_Composite.h5" --json "$work/out/weight$weight.json"
  done
  number "$work/out/weighted.json" '.settings.weight == "1, 4"'
  jq -en "$(jq .labels.mean_dice "$work/out/weight4.json") > $(jq .labels.mean_dice "$work/out/weight0.01.json")" \
    > /dev/null || fail "labels match no better when they count more"

  # starts that are not linear: what a registration wrote, its field, any transform of ITK
  local start
  for start in "${prefix}_Composite.h5" "${prefix}_Field.mha" spline.tfm; do
    check "$gdreg" register --fixed fixed3.nii.gz --moving moving3.nii.gz --output-prefix "$work/out/on" \
      --initial-transform "$start" --linear none --shrink-factors 2x1 --smoothing-sigmas 1x0 --iterations 40x10 \
      --device "$device" --quiet --json "$work/out/on.json" --report "$work/out/on.html"
    number "$work/out/on.json" '.jacobian.folded_voxels == 0 and .inverse_consistency_voxels.mean < 0.01'
    number "$work/out/on.json" '.ncc.after > 0.99 and .deformable.metric_after > .deformable.metric_before'
    check "$tools/CheckOutputs" composite fixed3.nii.gz moving3.nii.gz "$work/out/on_Composite.h5" \
      "$work/out/on_Warped.nii.gz" 0.05
    check "$tools/CheckOutputs" inverse "$work/out/on_Field.mha" "$work/out/on_InverseField.mha" 0.1
    check "$gdreg" score --fixed-points points_fixed.csv --moving-points points_moving.csv \
      --transform "$work/out/on_Composite.h5" --json "$work/out/points.json"
    number "$work/out/points.json" '.points.tre_mean < 0.5'
  done

  check "$gdreg" invert --field "${prefix}_Field.mha" --output "$work/out/inverse.mha" --device "$device"
  check "$tools/CheckOutputs" inverse "${prefix}_Field.mha" "$work/out/inverse.mha" 0.1

  local way
  for way in linear nearest label cubic; do
    check "$gdreg" apply --moving moving_labels3.nii.gz --reference fixed3.nii.gz --transform "${prefix}_Composite.h5" \
      --output "$work/out/$way.nii.gz" --interpolation $way --device "$device"
  done
  # at grid points both keep every label
  for way in nearest label; do
    check "$gdreg" apply --moving moving_labels3.nii.gz --reference moving_labels3.nii.gz --transform identity.tfm \
      --output "$work/out/$way.nii.gz" --interpolation $way --device "$device"
    check "$tools/CheckOutputs" same moving_labels3.nii.gz "$work/out/$way.nii.gz" 0
  done
  check "$gdreg" apply --moving fixed3.nii.gz --reference moving3.nii.gz --transform "${prefix}_Composite.h5" --invert \
    --output "$work/out/back.nii.gz" --device "$device"
  check "$gdreg" score --fixed-points points_fixed.csv --moving-points points_moving.csv \
    --transform "${prefix}_Composite.h5" --json "$work/out/points.json"
  number "$work/out/points.json" '.points.tre_mean < 2.5'

  # landmarks there and back, through both kinds of files
  check "$gdreg" apply --points points_fixed.csv --transform "${prefix}_Composite.h5" --output "$work/out/there.fcsv"
  check "$gdreg" score --fixed-points points_fixed.csv --moving-points "$work/out/there.fcsv" \
    --transform "${prefix}_Composite.h5" --json "$work/out/points.json"
  number "$work/out/points.json" '.points.points == 20 and .points.tre_max < 1e-4'
  check "$gdreg" apply --points "$work/out/there.fcsv" --transform "${prefix}_Composite.h5" --invert \
    --output "$work/out/back.csv" --device "$device"
  check "$gdreg" score --fixed-points points_fixed.csv --moving-points "$work/out/back.csv" --json "$work/out/points.json"
  number "$work/out/points.json" '.points.tre_max < 0.02'
  check "$gdreg" apply --points points_ras.fcsv --transform shift.tfm --output "$work/out/named.csv"
  [ "$(cat "$work/out/named.csv")" = "$(printf '%s\n' 'x,y,z,id,label' '0.5,-0.5,4.5,p,nose' '5.5,6.5,-4.5,q,chin')" ] ||
    fail "points of 3D Slicer: $(cat "$work/out/named.csv")"

  # devices, help
  "$gdreg" devices > "$work/stdout" || fail "devices"
  grep -q '^cpu' "$work/stdout" || fail "devices does not list the CPU"
  "$gdreg" --help > /dev/null || fail "--help"
  for way in register apply compose invert jacobian velocity score devices; do
    "$gdreg" $way --help > /dev/null || fail "$way --help"
  done

  # linear only
  check "$gdreg" register --fixed fixed3.nii.gz --moving moving3.nii.gz --output-prefix "$work/out/L" --linear similarity \
    --solver none --device "$device" --quiet
  check "$tools/CheckOutputs" composite fixed3.nii.gz moving3.nii.gz "$work/out/L_Composite.h5" \
    "$work/out/L_Warped.nii.gz" 0.05
}

case $part in
  bad-input) bad_input ;;
  register2) register 2 none && register 2 affine ;;
  register3) register 3 none && register 3 affine ;;
  gauss-newton) gauss_newton ;;
  syn) register 2 affine --solver syn && register 3 none --solver syn --step-rule itk ;;
  commands) commands ;;
  *) fail "unknown part $part" ;;
esac
[ $failures -eq 0 ] && rm -rf "$work"
[ $failures -eq 0 ]
