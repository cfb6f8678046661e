// SPDX-License-Identifier: Apache-2.0
#ifndef LinearStage_h
#define LinearStage_h

#include "itkAffineTransform.h"
#include "itkImage.h"

#include <functional>
#include <string>
#include <vector>

namespace gdreg
{
enum class LinearModelEnum
{
  None,
  Translation,
  Rigid,
  Similarity,
  Affine
};

template <unsigned int VDimension>
struct LinearStageInput
{
  using ImageType = itk::Image<float, VDimension>;
  using MaskType = itk::Image<unsigned char, VDimension>;
  using TransformType = itk::AffineTransform<double, VDimension>;

  const ImageType *     fixed{ nullptr };
  const ImageType *     moving{ nullptr };
  const MaskType *      fixedMask{ nullptr };  ///< optional
  const MaskType *      movingMask{ nullptr }; ///< optional
  const TransformType * initial{ nullptr };    ///< optional; where to start, instead of the search
  LinearModelEnum       model{ LinearModelEnum::Affine };
  std::string           device{ "auto" };
  /** Called after each optimisation with what it was, e.g. "affine, 64x72x60", and its metric value. */
  std::function<void(const std::string &, double)> progress;
};

template <unsigned int VDimension>
struct LinearStageResult
{
  struct Step
  {
    std::string  description;
    unsigned int iterations{ 0 };
    double       metricValue{ 0.0 };
    double       seconds{ 0.0 };
  };
  typename itk::AffineTransform<double, VDimension>::Pointer transform; ///< fixed points to moving points
  std::string                                                start;     ///< which start won
  std::vector<Step>                                          steps;
};

/** Aligns two images by a linear map of physical points: Mattes mutual information (32 bins) on the device, coarse to
 * fine on bin-averaged copies, at the points of a grid over the fixed image (the box of its mask), from the best of
 * many starts (see ListStarts). The same input on the same device gives the same bits. */
template <unsigned int VDimension>
LinearStageResult<VDimension>
RunLinearStage(const LinearStageInput<VDimension> & input);

extern template LinearStageResult<2>
RunLinearStage<2>(const LinearStageInput<2> &);
extern template LinearStageResult<3>
RunLinearStage<3>(const LinearStageInput<3> &);
} // namespace gdreg

#endif
