// SPDX-License-Identifier: Apache-2.0
#include "BadInput.h"
#include "Commands.h"

#include "itkGPUDiffeomorphicEngine.h"

#include <cstdio>
#include <iostream>

namespace gdreg
{
std::string
DescribeBytes(double bytes)
{
  const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
  int                unit = 0;
  while (bytes >= 1024.0 && unit < 5)
  {
    bytes /= 1024.0;
    ++unit;
  }
  char text[64];
  std::snprintf(text, sizeof(text), bytes < 10.0 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
  return text;
}

std::string
ResolveDevice(const std::string & name)
{
  try
  {
    return itk::GPUDiffeomorphicEngine::ResolveDevice(name);
  }
  catch (const itk::ExceptionObject & error)
  {
    const std::string text = error.GetDescription();
    const std::string prefix = "ITK ERROR: ";
    throw BadInput("--device", text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text);
  }
}

void
RunDevices()
{
  const std::string chosen = ResolveDevice("auto");
  for (const auto & device : itk::GPUDiffeomorphicEngine::GetDevices())
  {
    std::cout << device.name << (device.name == chosen ? " (auto)" : "") << "  " << device.description;
    if (device.totalBytes > 0)
    {
      std::cout << ", " << DescribeBytes(static_cast<double>(device.freeBytes)) << " free of "
                << DescribeBytes(static_cast<double>(device.totalBytes));
    }
    if (!device.usable)
    {
      std::cout << ", not usable: " << device.problem;
    }
    std::cout << std::endl;
  }
}
} // namespace gdreg
