// SPDX-License-Identifier: Apache-2.0
#ifndef itkEngineError_h
#define itkEngineError_h

#include <sstream>
#include <stdexcept>
#include <string>

namespace itk
{
namespace engine
{
/** What the engine throws. The message names the argument and the offending values; the classes in include/
 * turn it into an itk::ExceptionObject. */
class Error : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/** Thrown when an allocation fails or cannot fit: says how much was asked for and how much there is. */
class OutOfMemoryError : public Error
{
public:
  using Error::Error;
};

/** Builds a message from its arguments and throws it as an Error. */
template <typename... TArguments>
[[noreturn]] void
ThrowError(const TArguments &... arguments)
{
  std::ostringstream message;
  (message << ... << arguments);
  throw Error(message.str());
}
} // namespace engine
} // namespace itk

#endif
