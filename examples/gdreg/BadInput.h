// SPDX-License-Identifier: Apache-2.0
#ifndef BadInput_h
#define BadInput_h

#include <stdexcept>
#include <string>

namespace gdreg
{
/** What the user gave is wrong: names the argument and says why. The program ends with exit code 1. */
class BadInput : public std::runtime_error
{
public:
  BadInput(const std::string & argument, const std::string & problem)
    : std::runtime_error(argument + ": " + problem)
  {}
};
} // namespace gdreg

#endif
