// SPDX-License-Identifier: Apache-2.0
// Floor per voxel: 60 bytes (inner field, both tangents and the outer field in, output out), 36 where a field is composed
// with itself; 12 n or 24 more of H, and 4 of its weight. 48 gathered corners of one cell.
#include "../Operators/ComposeTangent.h"

#include "../Math/TangentProduct.h"
#include "Launch.h"
#include "Sample.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
enum class ProductKind
{
  None,
  Vectors,
  Symmetric
};

struct TangentArguments
{
  AffineMap                    affine;
  float                        scale;
  float                        innerWeight;
  float                        outerScale;
  bool                         clamp;
  int                          outerSize[3];
  FieldComponents<const float> outer;
  FieldComponents<const float> inner;
  FieldComponents<const float> outerTangent;
  FieldComponents<const float> innerTangent;
  FieldComponents<float>       output;
  const float *                product; ///< the planes of H
  const float *                weight;
  int                          vectors;
  std::int64_t                 plane;
};

struct VectorPair
{
  Vector3 inner;
  Vector3 tangent;
};

/** H times the tangent. */
template <ProductKind kind>
__device__ __forceinline__ void
ApplyProduct(const TangentArguments & arguments, std::int64_t offset, float (&tangent)[3])
{
  float q[3] = { 0.0f, 0.0f, 0.0f };
  if (kind == ProductKind::Symmetric)
  {
    float g[6];
#pragma unroll
    for (int k = 0; k < 6; ++k)
    {
      g[k] = arguments.product[k * arguments.plane + offset];
    }
    MultiplySymmetric(g, tangent, q);
  }
  else
  {
#pragma unroll 1
    for (int k = 0; k < arguments.vectors; ++k)
    {
      const float * const at = arguments.product + 3 * k * arguments.plane + offset;
      const float         g[3] = { at[0], at[arguments.plane], at[2 * arguments.plane] };
      AddRankOneProduct(g, tangent, q);
    }
  }
  const float weight = arguments.weight ? arguments.weight[offset] : 1.0f;
#pragma unroll
  for (int c = 0; c < 3; ++c)
  {
    tangent[c] = weight * q[c];
  }
}

/** A voxel of the output is written by the thread that has read the inner field and tangent there, and after that. */
template <typename TOffset, ProductKind kind>
__global__ void
__launch_bounds__(VoxelThreads, 3)
  ComposeTangentKernel(const __grid_constant__ TangentArguments arguments, const Extent extent)
{
  const auto load = [&](TOffset offset) {
    return VectorPair{ LoadVectorIfAny(arguments.inner, offset), LoadVectorIfAny(arguments.innerTangent, offset) };
  };
  ForEachVoxelAhead<TOffset>(extent, load, [&](int x, int y, int z, TOffset offset, const VectorPair & at) {
    const float scale = arguments.scale;
    const float v[3] = { scale * at.inner.v[0], scale * at.inner.v[1], scale * at.inner.v[2] };
    const float dv[3] = { scale * at.tangent.v[0], scale * at.tangent.v[1], scale * at.tangent.v[2] };
    float       tangent[3] = { 0.0f, 0.0f, 0.0f };
    float       d[3];
    arguments.affine.Displacement(x, y, z, d);
    const AxisPosition p[3] = { LocateOnAxis(x, d[0] + v[0]),
                                LocateOnAxis(y, d[1] + v[1]),
                                LocateOnAxis(z, d[2] + v[2]) };
    if (arguments.clamp || IsInside(p, arguments.outerSize))
    {
      const LinearCell<TOffset> cell(p, arguments.outerSize);
      float                     corners[8];
      if (arguments.outerTangent)
      {
#pragma unroll
        for (int c = 0; c < 3; ++c)
        {
          cell.Load(arguments.outerTangent.component[c], corners);
          tangent[c] = cell.Value(corners);
        }
      }
      if (arguments.innerTangent)
      {
#pragma unroll
        for (int c = 0; c < 3; ++c)
        {
          float gradient[3];
          cell.Load(arguments.outer.component[c], corners);
          cell.Gradient(corners, gradient);
          tangent[c] += gradient[0] * dv[0] + gradient[1] * dv[1] + gradient[2] * dv[2];
        }
      }
    }
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      tangent[c] = arguments.innerWeight * dv[c] + arguments.outerScale * tangent[c];
    }
    if (kind != ProductKind::None)
    {
      ApplyProduct<kind>(arguments, offset, tangent);
    }
#pragma unroll
    for (int c = 0; c < 3; ++c)
    {
      arguments.output.component[c][offset] = tangent[c];
    }
  });
}

template <typename TOffset>
decltype(&ComposeTangentKernel<int, ProductKind::None>)
ChooseKernel(const TangentProduct & product)
{
  if (product.symmetric)
  {
    return ComposeTangentKernel<TOffset, ProductKind::Symmetric>;
  }
  return product.vectors ? ComposeTangentKernel<TOffset, ProductKind::Vectors>
                         : ComposeTangentKernel<TOffset, ProductKind::None>;
}
} // namespace

void
ComposeTangent(const Device &            device,
               const ComposeParameters & parameters,
               const ConstField &        outer,
               const ConstField &        inner,
               const ConstField &        outerTangent,
               const ConstField &        innerTangent,
               const TangentProduct &    product,
               const Field &             output)
{
  const cudaStream_t stream = Enter(device);
  const Extent       extent(output.lattice);
  TangentArguments   arguments{};
  arguments.affine = parameters.affine;
  arguments.scale = parameters.innerScale;
  arguments.innerWeight = parameters.innerWeight;
  arguments.outerScale = parameters.outerScale.scale;
  arguments.clamp = parameters.outside == Outside::Clamp;
  std::copy(outer.lattice.own.size, outer.lattice.own.size + 3, arguments.outerSize);
  arguments.outer = FieldComponents<const float>(outer);
  arguments.inner = FieldComponents<const float>(inner);
  arguments.outerTangent = FieldComponents<const float>(outerTangent);
  arguments.innerTangent = FieldComponents<const float>(innerTangent);
  arguments.output = FieldComponents<float>(output);
  arguments.product = product.symmetric ? product.symmetric.data : product.vectors.data;
  arguments.weight = product.weight.data;
  arguments.vectors = product.vectors.components / 3;
  arguments.plane = extent.NumberOfVoxels();
  const bool isSmall = IsSmall(outer.lattice) && IsSmall(output.lattice);
  const auto kernel = isSmall ? ChooseKernel<int>(product) : ChooseKernel<std::int64_t>(product);
  kernel<<<VoxelGrid(extent), VoxelBlock(), 0, stream>>>(arguments, extent);
  CheckLaunch(device, "ComposeTangent");
}
} // namespace cuda
} // namespace engine
} // namespace itk
