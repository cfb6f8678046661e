// SPDX-License-Identifier: Apache-2.0
#ifndef Report_h
#define Report_h

#include "ImageIO.h"
#include "RunRecord.h"

#include <string>

namespace gdreg
{
/** What the report shows; images are on the fixed grid. */
template <unsigned int VDimension>
struct ReportInput
{
  const RunRecord *               record{ nullptr };
  const ScalarImage<VDimension> * fixed{ nullptr };
  const MaskImage<VDimension> *   fixedMask{ nullptr }; ///< optional
  const ScalarImage<VDimension> * movingBefore{ nullptr };
  const ScalarImage<VDimension> * movingLinear{ nullptr };
  const ScalarImage<VDimension> * movingAfter{ nullptr };
  const FieldImage<VDimension> *  field{ nullptr };    ///< of the deformable stage; optional
  const ScalarImage<VDimension> * jacobian{ nullptr }; ///< of that field; optional
};

/** A self-contained HTML page. */
template <unsigned int VDimension>
std::string
MakeReport(const ReportInput<VDimension> & input);
} // namespace gdreg

#endif
