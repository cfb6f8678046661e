// SPDX-License-Identifier: Apache-2.0
#ifndef OrderedMutualInformation_h
#define OrderedMutualInformation_h

#include "itkMattesMutualInformationImageToImageMetricv4.h"

namespace gdreg
{
/** Mattes mutual information that gives the same bits on each run. ITK's splits the samples into more work units than
 * SetMaximumNumberOfWorkUnits() says, and they add to the derivative in the order in which they finish. Here there is
 * one work unit; with some ten thousand samples it is quick enough. */
template <typename TImage>
class OrderedMutualInformation : public itk::MattesMutualInformationImageToImageMetricv4<TImage, TImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(OrderedMutualInformation);

  using Self = OrderedMutualInformation;
  using Superclass = itk::MattesMutualInformationImageToImageMetricv4<TImage, TImage>;
  using Pointer = itk::SmartPointer<Self>;
  using ConstPointer = itk::SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(OrderedMutualInformation, MattesMutualInformationImageToImageMetricv4);

protected:
  OrderedMutualInformation()
  {
    this->m_DenseGetValueAndDerivativeThreader->SetNumberOfWorkUnits(1);
    this->m_SparseGetValueAndDerivativeThreader->SetNumberOfWorkUnits(1);
  }
  ~OrderedMutualInformation() override = default;
};
} // namespace gdreg

#endif
