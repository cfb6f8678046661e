// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineFlowTape_h
#define itkEngineFlowTape_h

#include <vector>

namespace itk
{
namespace engine
{
/** How a map is made of steps: a list of nodes, each a step of one segment or the composition of two nodes before it.
 * Every node but the last is used by a later one; the last is the whole map. */
struct FlowTape
{
  struct Node
  {
    int segment = -1; ///< of a step; -1: a composition
    int outer = -1;
    int inner = -1;

    bool
    IsStep() const
    {
      return segment >= 0;
    }
  };

  std::vector<Node> nodes;

  /** Where the tangent and the adjoint of each node lie while they are needed: 0 is the caller's field, that of the last
   * node; the others are fields of a workspace. A composition that ends the need of its inner node, and is not of a
   * node with itself, has the same place as that. */
  std::vector<int> tangentPlace;
  std::vector<int> adjointPlace;
  int              tangentPlaces = 1;
  int              adjointPlaces = 1;
};

/** Steps of one segment that MakeFlowTape takes. */
constexpr int MaximumFlowSteps = 256;

/** \param steps of each segment, 1 .. MaximumFlowSteps, by a shortest chain of compositions in which each extends the one
 * before. Segment 0 is outermost: the first part of the map x -> S_0(S_1( .. x)) that the velocity made. */
FlowTape
MakeFlowTape(int steps, int segments);
} // namespace engine
} // namespace itk

#endif
