// SPDX-License-Identifier: Apache-2.0
#include "BadInput.h"
#include "Commands.h"

#include "itkMacro.h"
#include "itkObject.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <functional>
#include <iostream>
#include <new>

namespace gdreg
{
namespace
{
volatile std::sig_atomic_t interrupted = 0;

void
Interrupt(int)
{
  if (interrupted)
  {
    std::_Exit(130); // asked twice: at once
  }
  interrupted = 1;
}

using Action = std::function<void()>;

void
AddDeviceOption(CLI::App * command, std::string & device)
{
  command->add_option("--device", device, "auto (a GPU if one works, else the CPU), cpu, cuda or cuda:N")
    ->capture_default_str();
}

void
AddGaussNewton(CLI::App * command, GaussNewtonSettings & settings)
{
  const auto add = [command](const std::string & name, auto & value, const std::string & description) {
    command->add_option(name, value, description)->group("Options of --solver gauss-newton")->capture_default_str();
  };
  add("--regularization",
      settings.regularizationName,
      "Norm of the velocity: h1-seminorm, h2-seminorm, h3-seminorm (h1s, h2s, h3s), h1, h2, h3 or l2");
  add("--beta", settings.beta, "Weight of the norm");
  add("--beta-div", settings.betaDiv, "Weight of a penalty of the velocity's divergence, which is change of volume");
  add("--initial-beta", settings.initialBeta, "Weight that the first level begins with and lowers tenfold; 0: it does not");
  add("--time-steps", settings.timeSteps, "Steps of the time from 0 to 1");
  add("--segments", settings.segments, "Parts of the time in each of which the velocity is constant");
  add("--gradient-reduction", settings.gradientReduction, "A level ends at this share of the gradient that it has without velocity");
  add("--forcing",
      settings.forcingName,
      "How exactly a Newton step is solved for: superlinear, quadratic, or a number: the relative residual");
  add("--krylov-iterations", settings.krylovIterations, "Most iterations of the linear solver in a Newton step");
  add("--transport",
      settings.transportName,
      "What the velocity carries along: map, or image, which each time step interpolates");
  add("--preconditioner",
      settings.preconditionerName,
      "Of the linear solver: inverse-regularization, zero-velocity (on the half grid), or auto");
  add("--padding",
      settings.paddingText,
      "Voxels around the fixed grid, as the velocity is periodic: auto (where an image touches a face), none, or\ntheir number at each face");
  add("--velocity",
      settings.velocity,
      "Field to write: the velocity on the fixed grid, LPS mm per unit time; several segments get numbers");
}

void
AddRegister(CLI::App & app, RegisterSettings & settings, Action & action)
{
  auto * command = app.add_subcommand("register", "Register a moving image to a fixed image");
  command->footer("Writes P_Composite.h5 (ITK transform: the field is applied first, then the linear map),\n"
                  "P_Field.mha (displacements on the fixed grid, LPS mm, fixed to moving),\n"
                  "P_InverseField.mha (displacements on the moving grid, moving to fixed) and\n"
                  "P_Warped.nii.gz (the moving image on the fixed grid).\n"
                  "Lists like 4x2x1 have one value per level, coarse to fine.");
  command->add_option("--fixed", settings.fixedImages, "Fixed image, 2D or 3D; repeatable, all on one grid")
    ->required()
    ->allow_extra_args(false);
  command
    ->add_option("--moving",
                 settings.movingImages,
                 "Moving image; repeatable: each is to match the fixed image of its place, the first pair is aligned linearly")
    ->required()
    ->allow_extra_args(false);
  command->add_option("--weight", settings.weights, "What a pair of images counts; one for each pair, default 1")
    ->allow_extra_args(false);
  command->add_option("--output-prefix", settings.outputPrefix, "P: start of the names of the output files")
    ->required();
  command->add_option("--fixed-mask", settings.fixedMask, "Image on the fixed grid; 0 leaves a voxel out");
  command->add_option("--moving-mask", settings.movingMask, "Image on the moving grid; 0 leaves a voxel out");
  command->add_option(
    "--initial-transform", settings.initialTransform, "Transform file or displacement field to start from, fixed to moving points");
  command->add_option("--linear", settings.linearName, "Linear stage: none, translation, rigid, similarity or affine")
    ->capture_default_str();
  command
    ->add_option("--solver", settings.solverName, "Deformable stage: greedy, syn (symmetric: both images move), gauss-newton (second order, on a velocity) or none")
    ->capture_default_str();
  command->add_option("--metric", settings.metricName, "lncc (local correlation), mi (mutual information) or ssd (mean squares);\nauto: lncc, with gauss-newton ssd")
    ->capture_default_str();
  command->add_option("--radius", settings.radius, "Radius of lncc's window in voxels")->capture_default_str();
  command->add_option("--bins", settings.bins, "Bins of mi's histogram for each image, 8 to 256")->capture_default_str();
  command->add_option("--shrink-factors", settings.shrinkFactorsText, "Shrink factor of each level")
    ->capture_default_str();
  command->add_option("--smoothing-sigmas", settings.smoothingSigmasText, "Smoothing of each level in voxels; auto: 1x0x0, with\ngauss-newton the shrink factors")
    ->capture_default_str();
  command->add_option("--iterations", settings.iterationsText, "Most iterations of each level; auto: 200x100x50, with gauss-newton 20\nsteps on each")->capture_default_str();
  command
    ->add_option("--step-rule",
                 settings.stepRuleName,
                 "How a gradient becomes a step: adam, gradient, levenberg (greedy only) or itk (syn only: SyN's\n"
                 "gradient and steps as in ITK, without a bound on det J)")
    ->capture_default_str();
  command
    ->add_option("--parametrization",
                 settings.parametrizationName,
                 "compositive or velocity (both diffeomorphic), or additive (free-form)")
    ->capture_default_str();
  command
    ->add_option("--step-reductions",
                 settings.stepReductions,
                 "How often a converged level goes on with half the learning rate and total variance")
    ->capture_default_str();
  command
    ->add_option("--learning-rate",
                 settings.learningRate,
                 "Largest step of an iteration in voxels of the level; with syn both images together, with --step-rule itk each")
    ->capture_default_str();
  command->add_option("--update-variance", settings.updateVariance, "Gaussian of the update in voxels^2 of the level")
    ->capture_default_str();
  command->add_option("--total-variance", settings.totalVariance, "Gaussian of the field in voxels^2 of the level")
    ->capture_default_str();
  command
    ->add_option("--diffusion-weight", settings.diffusionWeight, "Weight of a penalty of the field's roughness")
    ->capture_default_str();
  command
    ->add_option("--volume-weight", settings.volumeWeight, "Weight of a penalty of the map's change of volume (log det J)")
    ->capture_default_str();
  command->add_option("--convergence", settings.convergenceText, "threshold,window: a level ends below this slope")
    ->capture_default_str();
  command
    ->add_option("--minimum-jacobian", settings.minimumJacobian, "Where det J falls below it, the field is relaxed")
    ->capture_default_str();
  AddGaussNewton(command, settings.gaussNewton);
  AddDeviceOption(command, settings.device);
  command->add_option("--threads", settings.threads, "Number of CPU threads; 0 is all")->capture_default_str();
  command->add_option("--report", settings.report, "HTML file with pictures, curves and numbers of the run");
  command->add_option("--json", settings.json, "JSON file with every number of the run");
  command->add_flag("--quiet", settings.quiet, "Print nothing but errors");
  command->callback([&settings, &action] { action = [&settings] { RunRegister(settings); }; });
}

void
AddApply(CLI::App & app, ApplySettings & settings, Action & action)
{
  auto * command = app.add_subcommand("apply", "Resample an image or map landmarks through transforms");
  command->footer(
    "Several --transform are applied to the points of the reference in the order in which they are listed,\n"
    "the first one first. Transforms are ITK files (.h5 .tfm .txt .mat) or displacement fields.\n"
    "nearest and label keep the voxel type of the moving image; linear and cubic write float.\n"
    "--points maps landmarks of the reference to the moving image, with --invert those of the moving image to the\n"
    "reference: CSV with the header x,y,z in LPS mm and any other columns, or 3D Slicer's .fcsv.");
  command->add_option("--moving", settings.moving, "Image to resample");
  command->add_option("--reference", settings.reference, "Image that gives the grid of the output");
  command->add_option("--points", settings.points, "Landmarks to map, in place of --moving and --reference");
  command->add_option("--transform", settings.transforms, "Transform from reference to moving points; repeatable")
    ->required()
    ->allow_extra_args(false);
  command->add_flag("--invert", settings.invert, "Use the inverse of the whole map");
  command->add_option("--output", settings.output, "Image or landmarks to write")->required();
  command->add_option("--interpolation", settings.interpolation, "linear, nearest, label (largest linear weight) or cubic")
    ->capture_default_str();
  AddDeviceOption(command, settings.device);
  command->callback([&settings, &action] { action = [&settings] { RunApply(settings); }; });
}

void
AddCompose(CLI::App & app, ComposeSettings & settings, Action & action)
{
  auto * command = app.add_subcommand("compose", "Write several transforms as one");
  command->footer(
    "The transform that is listed first is applied first. The output is a displacement field on the grid of the\n"
    "reference (.mha, .nii.gz) or a transform file (.h5; .tfm if the map is linear), by its ending.");
  command->add_option("--transform", settings.transforms, "Transform file or displacement field; repeatable")
    ->required()
    ->allow_extra_args(false);
  command->add_flag("--invert", settings.invert, "Write the inverse of the whole map");
  command->add_option("--reference", settings.reference, "Image that gives the grid")->required();
  command->add_option("--output", settings.output, "Field or transform file to write")->required();
  AddDeviceOption(command, settings.device);
  command->callback([&settings, &action] { action = [&settings] { RunCompose(settings); }; });
}

void
AddFieldCommand(CLI::App & app, const std::string & name, const std::string & description,
                void (*run)(const FieldSettings &), FieldSettings & settings, Action & action)
{
  auto * command = app.add_subcommand(name, description);
  command->add_option("--field", settings.field, "Displacement field")->required();
  if (run == RunInvert)
  {
    command->add_option(
      "--reference", settings.reference, "Image that gives the grid of the inverse; without it, that of the field");
  }
  command->add_option("--output", settings.output, "Image to write")->required();
  AddDeviceOption(command, settings.device);
  command->callback([&settings, &action, run] { action = [&settings, run] { run(settings); }; });
}

void
AddVelocity(CLI::App & app, VelocitySettings & settings, Action & action)
{
  auto * command = app.add_subcommand("velocity", "Write the displacement field of a velocity");
  command->footer("The velocity is what register --velocity writes: it moves the moving image, as the linear map shows it, to the fixed\n"
                  "one in a unit of time. The displacement leads from fixed points to where they come from.");
  command->add_option("--velocity", settings.velocities, "Velocity; repeatable: one for each part of the time, in its order")
    ->required()
    ->allow_extra_args(false);
  command->add_option("--time-steps", settings.timeSteps, "Steps of the time from 0 to 1")->capture_default_str();
  command->add_flag("--invert", settings.invert, "The displacement of the map back, from -v");
  command->add_option("--output", settings.output, "Field to write")->required();
  AddDeviceOption(command, settings.device);
  command->callback([&settings, &action] { action = [&settings] { RunVelocity(settings); }; });
}

void
AddScore(CLI::App & app, ScoreSettings & settings, Action & action)
{
  auto * command = app.add_subcommand("score", "Measure how well labels or landmarks match under a transform");
  command->footer("Labels: Dice of each label, their mean, and of all labels together, by nearest neighbour.\n"
                  "Landmarks: CSV files with the header x,y,z in LPS mm, or .fcsv, row i of one matching row i of the other.");
  command->add_option("--fixed-labels", settings.fixedLabels, "Label image of the fixed image");
  command->add_option("--moving-labels", settings.movingLabels, "Label image of the moving image");
  command->add_option("--fixed-points", settings.fixedPoints, "Landmarks of the fixed image");
  command->add_option("--moving-points", settings.movingPoints, "Landmarks of the moving image");
  command->add_option("--transform", settings.transforms, "Transform from fixed to moving points; repeatable")
    ->allow_extra_args(false);
  command->add_option("--json", settings.json, "JSON file to write");
  AddDeviceOption(command, settings.device);
  command->add_flag("--quiet", settings.quiet, "Print nothing but errors");
  command->callback([&settings, &action] { action = [&settings] { RunScore(settings); }; });
}

/** One line, without ITK's prefix: messages of exceptions may have several. */
std::string
OneLine(std::string text)
{
  const std::string prefix = "ITK ERROR: ";
  if (text.rfind(prefix, 0) == 0)
  {
    text.erase(0, prefix.size());
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\r', ' ');
  return text;
}
} // namespace

bool
IsInterrupted()
{
  return interrupted != 0;
}
} // namespace gdreg

int
main(int argc, char * argv[])
{
  using namespace gdreg;
  // Standard error belongs to this program's own messages.
  itk::Object::GlobalWarningDisplayOff();
  std::signal(SIGINT, Interrupt);
  std::signal(SIGTERM, Interrupt);

  CLI::App app("Diffeomorphic image registration on the GPU, or on the CPU where there is none.", "gdreg");
  app.require_subcommand(1);
  app.failure_message([](const CLI::App *, const CLI::Error & error) { return std::string(error.what()); });
  RegisterSettings registerSettings;
  ApplySettings    applySettings;
  ComposeSettings  composeSettings;
  FieldSettings    invertSettings;
  FieldSettings    jacobianSettings;
  VelocitySettings velocitySettings;
  ScoreSettings    scoreSettings;
  Action           action;
  AddRegister(app, registerSettings, action);
  AddApply(app, applySettings, action);
  AddCompose(app, composeSettings, action);
  AddFieldCommand(app, "invert", "Invert a displacement field", RunInvert, invertSettings, action);
  AddFieldCommand(
    app, "jacobian", "Jacobian determinant of x + u(x) at each voxel", RunJacobian, jacobianSettings, action);
  AddVelocity(app, velocitySettings, action);
  AddScore(app, scoreSettings, action);
  app.add_subcommand("devices", "List the CPU and the GPUs")->callback([&action] { action = RunDevices; });

  try
  {
    app.parse(argc, argv);
  }
  catch (const CLI::ParseError & error)
  {
    if (error.get_exit_code() == 0)
    {
      return app.exit(error); // --help
    }
    std::cerr << "gdreg: " << OneLine(error.what()) << std::endl;
    return 1;
  }
  try
  {
    action();
    return 0;
  }
  catch (const BadInput & error)
  {
    std::cerr << "gdreg: " << OneLine(error.what()) << std::endl;
    return 1;
  }
  catch (const itk::ExceptionObject & error)
  {
    std::cerr << "gdreg: failed: " << OneLine(error.GetDescription()) << std::endl;
  }
  catch (const std::bad_alloc &)
  {
    std::cerr << "gdreg: failed: not enough memory on this machine" << std::endl;
  }
  catch (const std::exception & error)
  {
    std::cerr << "gdreg: failed: " << OneLine(error.what()) << std::endl;
  }
  return 2;
}
