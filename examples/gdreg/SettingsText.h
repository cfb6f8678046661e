// SPDX-License-Identifier: Apache-2.0
#ifndef SettingsText_h
#define SettingsText_h

#include "BadInput.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace gdreg
{
// From what was typed for an option to what it means; `argument` is the option that BadInput names.

inline std::vector<std::string>
Split(const std::string & text, const char separator)
{
  std::vector<std::string> parts(1);
  for (const char c : text)
  {
    if (c == separator)
    {
      parts.emplace_back();
    }
    else
    {
      parts.back() += c;
    }
  }
  return parts;
}

inline double
ParseNumber(const std::string & argument, const std::string & text)
{
  char *       end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value))
  {
    throw BadInput(argument, "'" + text + "' is not a number");
  }
  return value;
}

inline unsigned int
ParseCount(const std::string & argument, const std::string & text, const unsigned int low, const unsigned int high)
{
  const double value = ParseNumber(argument, text);
  if (value != std::floor(value) || value < low || value > high)
  {
    throw BadInput(argument,
                   "'" + text + "' is not a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<unsigned int>(value);
}

template <typename TValue>
TValue
Choose(const std::string & argument, const std::string & name, const std::map<std::string, TValue> & choices)
{
  const auto found = choices.find(name);
  if (found == choices.end())
  {
    std::string names;
    for (const auto & choice : choices)
    {
      names += (names.empty() ? "" : ", ") + choice.first;
    }
    throw BadInput(argument, "unknown '" + name + "'; there are: " + names);
  }
  return found->second;
}

inline void
CheckRange(const std::string & argument, const double value, const double low, const double high)
{
  if (!(value >= low && value <= high))
  {
    char text[160];
    std::snprintf(text, sizeof(text), "%g is not in the range from %g to %g", value, low, high);
    throw BadInput(argument, text);
  }
}

inline std::string
NumberText(const double value)
{
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}
} // namespace gdreg

#endif
