// SPDX-License-Identifier: Apache-2.0
#ifndef RunRecord_h
#define RunRecord_h

#include "itkGPUGaussNewtonDiffeomorphicEngine.h"

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gdreg
{
/** Every number of a run of `gdreg register`, for the summary, the JSON file and the report. */
struct RunRecord
{
  struct ImageFacts
  {
    std::string         path;
    std::vector<int>    size;
    std::vector<double> spacing;
    std::vector<double> origin;
    std::vector<double> direction; ///< row by row
  };
  struct LinearStep
  {
    std::string  description;
    unsigned int iterations{ 0 };
    double       metricValue{ 0.0 };
    double       seconds{ 0.0 };
  };
  struct Level
  {
    unsigned int        shrinkFactor{ 1 };
    double              smoothingSigma{ 0.0 };
    unsigned int        maximumIterations{ 0 };
    std::vector<int>    size;
    std::vector<double> metricValues;
    double              seconds{ 0.0 };
    bool                converged{ false };
    // Of the Gauss-Newton solver; without gradients there was another one.
    std::vector<double> gradientNorms;
    double              initialGradientNorm{ 0.0 };
    double              beta{ 0.0 };
    int                 hessianProducts{ 0 };
    int                 innerProducts{ 0 };
    int                 evaluations{ 0 };
  };

  unsigned int dimension{ 3 };
  ImageFacts   fixed;
  ImageFacts   moving;
  /** Option and value, in the order of the command line's help. */
  std::vector<std::pair<std::string, std::string>> settings;

  std::string device;
  std::string deviceDescription;
  std::size_t peakDeviceBytes{ 0 };

  std::string             linearStart;
  std::vector<LinearStep> linearSteps;
  std::vector<double>     linearMatrix; ///< row by row
  std::vector<double>     linearOffset;
  double                  linearDeterminant{ 1.0 };

  bool               hasDeformable{ false };
  std::string        metricName; ///< "local correlation", "mutual information" or "mean squares"
  std::vector<Level> levels;
  /** The metric at full resolution, after the linear stage and at the end: the mean of CC, where 1 is best, mutual
   * information in nats, or mean squares. */
  double      initialMetricValue{ 0.0 };
  double      finalMetricValue{ 0.0 };
  double      relativeMismatch{ 0.0 }; ///< what the Gauss-Newton solver left of the distance; 0: not known
  std::vector<int> domainSize;         ///< of its periodic domain; empty: another solver
  double      minimumJacobian{ 1.0 };
  double      maximumJacobian{ 1.0 };
  std::size_t foldedVoxels{ 0 };
  double      maximumDisplacement{ 0.0 };    ///< mm, of the deformable part
  double      inverseMeanResidual{ 0.0 };    ///< voxels
  double      inverseMaximumResidual{ 0.0 }; ///< voxels

  /** Normalised cross-correlation over the fixed image (inside its mask). */
  double correlationBefore{ 0.0 };
  double correlationLinear{ 0.0 };
  double correlationAfter{ 0.0 };

  double readSeconds{ 0.0 };
  double linearSeconds{ 0.0 };
  double deformableSeconds{ 0.0 };         ///< wall time around the method
  double deformableDeviceSeconds{ 0.0 };   ///< images on the device to the final field
  double deformablePrepareSeconds{ 0.0 };  ///< opening the device and planning
  double deformableUploadSeconds{ 0.0 };   ///< images to the device
  double deformableDownloadSeconds{ 0.0 }; ///< fields from the device
  double resampleSeconds{ 0.0 };
  double reportSeconds{ 0.0 };
  double writeSeconds{ 0.0 };
  double totalSeconds{ 0.0 };

  std::vector<std::pair<std::string, std::string>> outputs; ///< what, path

  /** What the Gauss-Newton solver did on the levels, which are there already. */
  void
  AddNewton(const itk::GPUGaussNewtonDiffeomorphicEngine::Result & result, unsigned int axes);
};

/** The record as JSON text. */
std::string
MakeJson(const RunRecord & record);

/** Prints what matters most. */
void
PrintSummary(const RunRecord & record);
} // namespace gdreg

#endif
