// SPDX-License-Identifier: Apache-2.0
#include "ComposeTangent.h"

namespace itk
{
namespace engine
{
namespace
{
void
RequireProduct(const TangentProduct & product, const Lattice & lattice)
{
  const bool hasVectors = static_cast<bool>(product.vectors);
  const bool isSymmetric = static_cast<bool>(product.symmetric);
  if (hasVectors && isSymmetric)
  {
    ThrowError("ComposeTangent: both vectors and a symmetric matrix are given: H is one of them");
  }
  if (hasVectors)
  {
    if (product.vectors.components < 3 || product.vectors.components % 3 != 0)
    {
      ThrowError("ComposeTangent: the vectors have ", product.vectors.components, " components: 3 for each are needed");
    }
    RequireField(product.vectors, lattice, product.vectors.components, "vectors");
  }
  if (isSymmetric)
  {
    RequireField(product.symmetric, lattice, 6, "symmetric matrix");
  }
  if (product.weight)
  {
    RequireField(product.weight, lattice, 1, "weight");
    if (!hasVectors && !isSymmetric)
    {
      ThrowError("ComposeTangent: a weight is given, and neither vectors nor a symmetric matrix that it belongs to");
    }
  }
}
} // namespace

void
ComposeTangent(const Device &            device,
               const ComposeParameters & parameters,
               const ConstField &        outer,
               const ConstField &        inner,
               const ConstField &        outerTangent,
               const ConstField &        innerTangent,
               const Field &             output,
               const TangentProduct &    product)
{
  RequireField(outer, outer.lattice, 3, "outer displacement");
  RequireField(output, output.lattice, 3, "output");
  if (inner)
  {
    RequireField(inner, output.lattice, 3, "inner displacement");
  }
  if (outerTangent)
  {
    RequireField(outerTangent, outer.lattice, 3, "tangent of the outer displacement");
  }
  if (innerTangent)
  {
    RequireField(innerTangent, output.lattice, 3, "tangent of the inner displacement");
  }
  RequireProduct(product, output.lattice);
  if (!outerTangent && !innerTangent)
  {
    ThrowError("ComposeTangent: both tangents are absent: at least one is needed");
  }
  if (parameters.innerMaximum || parameters.outerScale.largest)
  {
    ThrowError("ComposeTangent: a largest norm is set: the scales of the displacements must be constants");
  }
  if (output.data == outer.data || output.data == outerTangent.data)
  {
    ThrowError("ComposeTangent: the output must be neither the outer displacement nor its tangent");
  }
  ITK_ENGINE_DISPATCH(
    device, ComposeTangent(device, parameters, outer, inner, outerTangent, innerTangent, product, output));
}
} // namespace engine
} // namespace itk
