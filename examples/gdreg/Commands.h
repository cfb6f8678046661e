// SPDX-License-Identifier: Apache-2.0
#ifndef Commands_h
#define Commands_h

#include "RegisterSettings.h"

#include <string>
#include <vector>

namespace gdreg
{
/** The subcommands. Each throws BadInput for what the user can mend and any other exception for a failed run, and
 * leaves no file behind then. */
void
RunRegister(const RegisterSettings & settings);

/** Resamples an image, or, if `points` is set, maps landmarks. */
struct ApplySettings
{
  std::string              moving;
  std::string              reference;
  std::string              points;
  std::vector<std::string> transforms;
  bool                     invert{ false };
  std::string              output;
  std::string              interpolation{ "linear" };
  std::string              device{ "auto" };
};
void
RunApply(const ApplySettings & settings);

struct ComposeSettings
{
  std::vector<std::string> transforms;
  bool                     invert{ false };
  std::string              reference;
  std::string              output;
  std::string              device{ "auto" };
};
void
RunCompose(const ComposeSettings & settings);

struct FieldSettings
{
  std::string field;
  std::string reference; ///< of RunInvert only; empty is the field's own grid
  std::string output;
  std::string device{ "auto" };
};
void
RunInvert(const FieldSettings & settings);
void
RunJacobian(const FieldSettings & settings);

/** From a velocity that `register --velocity` wrote, or several, one for each part of the time, to the displacement. */
struct VelocitySettings
{
  std::vector<std::string> velocities;
  int                      timeSteps{ 4 };
  bool                     invert{ false };
  std::string              output;
  std::string              device{ "auto" };
};
void
RunVelocity(const VelocitySettings & settings);

struct ScoreSettings
{
  std::string              fixedLabels;
  std::string              movingLabels;
  std::string              fixedPoints;
  std::string              movingPoints;
  std::vector<std::string> transforms;
  std::string              json;
  std::string              device{ "auto" };
  bool                     quiet{ false };
};
void
RunScore(const ScoreSettings & settings);

void
RunDevices();

/** The full name of a device; throws BadInput naming --device if it is not there. */
std::string
ResolveDevice(const std::string & name);

/** "1.5 GiB" */
std::string
DescribeBytes(double bytes);

/** True once the user has asked the program to stop (Ctrl-C). */
bool
IsInterrupted();
} // namespace gdreg

#endif
