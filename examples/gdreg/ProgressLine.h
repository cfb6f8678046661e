// SPDX-License-Identifier: Apache-2.0
#ifndef ProgressLine_h
#define ProgressLine_h

#include <iostream>
#include <string>

#ifdef _WIN32
#  include <io.h>
#else
#  include <unistd.h>
#endif

namespace gdreg
{
/** One line on the terminal that is rewritten. */
class ProgressLine
{
public:
  explicit ProgressLine(const bool quiet)
#ifdef _WIN32
    : m_Active(!quiet && _isatty(2))
#else
    : m_Active(!quiet && isatty(STDERR_FILENO))
#endif
  {}
  ~ProgressLine()
  {
    this->Show("");
  }

  void
  Show(const std::string & text)
  {
    if (m_Active)
    {
      std::cerr << '\r' << text << std::string(m_Width > text.size() ? m_Width - text.size() : 0, ' ')
                << (text.empty() ? "\r" : "") << std::flush;
      m_Width = text.size();
    }
  }

private:
  bool        m_Active;
  std::size_t m_Width{ 0 };
};
} // namespace gdreg

#endif
