// SPDX-License-Identifier: Apache-2.0
#include "OutputFiles.h"

#include "BadInput.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

namespace gdreg
{
namespace fs = std::filesystem;

OutputFiles::~OutputFiles()
{
  for (const auto & file : m_Files)
  {
    std::error_code ignored;
    fs::remove(file.temporary, ignored);
  }
}

std::string
OutputFiles::Add(const std::string & argument, const std::string & path)
{
  const fs::path  final(path);
  const fs::path  folder = final.has_parent_path() ? final.parent_path() : fs::path(".");
  std::error_code ignored;
  if (!final.has_filename())
  {
    throw BadInput(argument, "'" + path + "' is not a file name");
  }
  if (!fs::is_directory(folder, ignored))
  {
    throw BadInput(argument, "the folder '" + folder.string() + "' does not exist");
  }
  if (fs::is_directory(final, ignored))
  {
    throw BadInput(argument, "'" + path + "' is a folder");
  }
  for (const auto & file : m_Files)
  {
    if (fs::path(file.path).lexically_normal() == final.lexically_normal())
    {
      throw BadInput(argument, "'" + path + "' is written by another argument too");
    }
  }
  // Two runs may write to one folder at the same time. The name keeps its ending: ITK picks the format by it.
  static std::random_device random;
  const std::string         mark = ".tmp" + std::to_string(random()) + "-";
  const fs::path            temporary = folder / (mark + final.filename().string());
  errno = 0;
  if (!std::ofstream(temporary, std::ios::binary))
  {
    const std::string reason = errno != 0 ? std::string(" (") + std::strerror(errno) + ")" : "";
    throw BadInput(argument, "cannot write to the folder '" + folder.string() + "'" + reason);
  }
  m_Files.push_back({ path, temporary.string() });
  return temporary.string();
}

void
OutputFiles::Commit()
{
  for (std::size_t i = 0; i < m_Files.size(); ++i)
  {
    std::error_code error;
    fs::rename(m_Files[i].temporary, m_Files[i].path, error);
    if (error)
    {
      for (std::size_t done = 0; done < i; ++done)
      {
        std::error_code ignored;
        fs::remove(m_Files[done].path, ignored);
      }
      throw std::runtime_error("cannot write '" + m_Files[i].path + "': " + error.message());
    }
  }
  m_Files.clear();
}
} // namespace gdreg
