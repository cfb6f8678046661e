// SPDX-License-Identifier: Apache-2.0
#include "FlowTape.h"

#include <algorithm>

namespace itk
{
namespace engine
{
namespace
{
/** Extends the chain, in which each number is its predecessor plus one before, to `target` with `more` numbers. */
bool
ExtendChain(std::vector<int> & chain, int target, int more)
{
  const int last = chain.back();
  if (more == 0)
  {
    return last == target;
  }
  // even doubling at every step would not reach it
  if (last >= target || (last << more) < target)
  {
    return false;
  }
  for (std::size_t j = chain.size(); j-- > 0;)
  {
    chain.push_back(last + chain[j]);
    if (ExtendChain(chain, target, more - 1))
    {
      return true;
    }
    chain.pop_back();
  }
  return false;
}

std::vector<int>
ShortestChain(int target)
{
  std::vector<int> chain{ 1 };
  for (int more = 0; !ExtendChain(chain, target, more); ++more)
  {
  }
  return chain;
}

/** Places that are free again are taken first. */
class Places
{
public:
  int
  Take()
  {
    const auto found = std::find(m_IsTaken.begin(), m_IsTaken.end(), false);
    const auto place = static_cast<std::size_t>(found - m_IsTaken.begin());
    if (found == m_IsTaken.end())
    {
      m_IsTaken.push_back(false);
    }
    m_IsTaken[place] = true;
    return static_cast<int>(place);
  }
  void
  Release(int place)
  {
    m_IsTaken[static_cast<std::size_t>(place)] = false;
  }
  int
  Count() const
  {
    return static_cast<int>(m_IsTaken.size());
  }

private:
  std::vector<bool> m_IsTaken;
};

void
PlaceTangents(FlowTape & tape)
{
  const int        count = static_cast<int>(tape.nodes.size());
  std::vector<int> lastUse(tape.nodes.size(), -1);
  for (int i = 0; i < count; ++i)
  {
    if (!tape.nodes[i].IsStep())
    {
      lastUse[tape.nodes[i].outer] = lastUse[tape.nodes[i].inner] = i;
    }
  }
  Places places;
  tape.tangentPlace.resize(tape.nodes.size());
  for (int i = 0; i < count; ++i)
  {
    const FlowTape::Node & node = tape.nodes[i];
    const bool             moves = !node.IsStep() && node.inner != node.outer && lastUse[node.inner] == i;
    tape.tangentPlace[i] = moves ? tape.tangentPlace[node.inner] : places.Take();
    if (node.IsStep())
    {
      continue;
    }
    if (lastUse[node.outer] == i)
    {
      places.Release(tape.tangentPlace[node.outer]);
    }
    if (lastUse[node.inner] == i && !moves)
    {
      places.Release(tape.tangentPlace[node.inner]);
    }
  }
  tape.tangentPlaces = places.Count();
  // The last node's place becomes the caller's.
  const int end = tape.tangentPlace.back();
  for (int & place : tape.tangentPlace)
  {
    place = place == end ? 0 : (place == 0 ? end : place);
  }
}

void
PlaceAdjoints(FlowTape & tape)
{
  Places places;
  tape.adjointPlace.assign(tape.nodes.size(), -1);
  tape.adjointPlace.back() = places.Take();
  for (int i = static_cast<int>(tape.nodes.size()) - 1; i >= 0; --i)
  {
    const FlowTape::Node & node = tape.nodes[i];
    const int              own = tape.adjointPlace[i];
    if (node.IsStep())
    {
      places.Release(own);
      continue;
    }
    if (tape.adjointPlace[node.outer] < 0)
    {
      tape.adjointPlace[node.outer] = places.Take();
    }
    if (tape.adjointPlace[node.inner] < 0)
    {
      tape.adjointPlace[node.inner] = own;
    }
    else
    {
      places.Release(own);
    }
  }
  tape.adjointPlaces = places.Count();
}
} // namespace

FlowTape
MakeFlowTape(int steps, int segments)
{
  const std::vector<int> chain = ShortestChain(steps);
  FlowTape               tape;
  const auto             add = [&](int segment, int outer, int inner) {
    FlowTape::Node node;
    node.segment = segment;
    node.outer = outer;
    node.inner = inner;
    tape.nodes.push_back(node);
    return static_cast<int>(tape.nodes.size()) - 1;
  };
  int whole = -1;
  for (int segment = segments - 1; segment >= 0; --segment)
  {
    std::vector<int> powers{ add(segment, -1, -1) };
    for (std::size_t i = 1; i < chain.size(); ++i)
    {
      const auto other = std::find(chain.begin(), chain.end(), chain[i] - chain[i - 1]) - chain.begin();
      // The shorter part is outer: what is interpolated is then small and smooth.
      powers.push_back(add(-1, powers[static_cast<std::size_t>(other)], powers.back()));
    }
    whole = whole < 0 ? powers.back() : add(-1, powers.back(), whole);
  }
  PlaceTangents(tape);
  PlaceAdjoints(tape);
  return tape;
}
} // namespace engine
} // namespace itk
