// SPDX-License-Identifier: Apache-2.0
#ifndef OutputFiles_h
#define OutputFiles_h

#include <string>
#include <vector>

namespace gdreg
{
/** The files a command writes, all or none. Each is written under a temporary name in its own folder, and all get their
 * final names when Commit() is called; without it the destructor removes them. */
class OutputFiles
{
public:
  OutputFiles() = default;
  OutputFiles(const OutputFiles &) = delete;
  OutputFiles &
  operator=(const OutputFiles &) = delete;
  ~OutputFiles();

  /** Reserves `path` and returns the name to write to, which ends like `path`. Throws BadInput, naming `argument`,
   * if nothing can be written there. */
  std::string
  Add(const std::string & argument, const std::string & path);

  void
  Commit();

private:
  struct File
  {
    std::string path;
    std::string temporary;
  };
  std::vector<File> m_Files;
};
} // namespace gdreg

#endif
