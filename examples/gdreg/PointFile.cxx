// SPDX-License-Identifier: Apache-2.0
#include "PointFile.h"

#include "BadInput.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace gdreg
{
namespace
{
const std::vector<std::string> SlicerColumns = { "id", "x",   "y",   "z",    "ow",    "ox",   "oy",
                                                 "oz", "vis", "sel", "lock", "label", "desc", "associatedNodeID" };

std::string
Trim(const std::string & text)
{
  const char * const blanks = " \t\r\"";
  const auto         first = text.find_first_not_of(blanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/** By commas, or by blanks if there is none. */
std::vector<std::string>
SplitFields(const std::string & line)
{
  const bool               byCommas = line.find(',') != std::string::npos;
  std::vector<std::string> fields(1);
  for (const char c : line)
  {
    const bool isBlank = c == ' ' || c == '\t' || c == '\r';
    if (byCommas ? c == ',' : isBlank)
    {
      fields.emplace_back();
    }
    else
    {
      fields.back() += c;
    }
  }
  std::transform(fields.begin(), fields.end(), fields.begin(), Trim);
  if (!byCommas)
  {
    fields.erase(std::remove(fields.begin(), fields.end(), ""), fields.end());
  }
  return fields;
}

bool
ParseCoordinate(const std::string & text, double & value)
{
  char * end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::isfinite(value);
}

std::string
ToText(const double value)
{
  char text[40];
  std::snprintf(text, sizeof(text), "%.10g", value);
  return text;
}

std::string
FindField(const std::vector<std::string> & names, const std::vector<std::string> & fields, const std::string & name)
{
  const auto at = std::find(names.begin(), names.end(), name) - names.begin();
  return static_cast<std::size_t>(at) < fields.size() ? fields[at] : "";
}
/** The rows of a file as text, and how its columns are called. */
struct Table
{
  std::vector<std::string>              names;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t>              lines; ///< of the rows in the file, from 1
  bool                                  isRas{ false };

  std::size_t
  FindColumn(const std::string & name, const std::size_t otherwise) const
  {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? otherwise : static_cast<std::size_t>(at - names.begin());
  }
};

/** Takes in what a comment of a .fcsv says. */
void
ReadComment(const std::string & argument, const std::string & path, const std::string & line, Table & table)
{
  const auto sign = line.find('=');
  if (sign == std::string::npos)
  {
    return;
  }
  const std::string value = Trim(line.substr(sign + 1));
  if (line.find("CoordinateSystem") != std::string::npos)
  {
    if (value != "RAS" && value != "0" && value != "LPS" && value != "1")
    {
      throw BadInput(argument, "'" + path + "' has the coordinate system '" + value + "', not RAS or LPS");
    }
    table.isRas = value == "RAS" || value == "0";
  }
  else if (line.find("columns") != std::string::npos)
  {
    table.names = SplitFields(value);
  }
}

Table
ReadTable(const std::string & argument, const std::string & path)
{
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path))
  {
    throw BadInput(argument, "'" + path + "' cannot be read");
  }
  const bool isSlicer = IsSlicerPointFileName(path);
  Table      table;
  if (isSlicer)
  {
    table.names = SlicerColumns;
    table.isRas = true;
  }
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number)
  {
    if (Trim(line).empty())
    {
      continue;
    }
    if (line[0] == '#')
    {
      if (isSlicer)
      {
        ReadComment(argument, path, line, table);
      }
      continue;
    }
    const auto fields = SplitFields(line);
    double     value = 0.0;
    if (!isSlicer && table.rows.empty() && table.names.empty() && !ParseCoordinate(fields[0], value))
    {
      table.names = fields;
      continue;
    }
    table.rows.push_back(fields);
    table.lines.push_back(number);
  }
  if (table.rows.empty())
  {
    throw BadInput(argument, "'" + path + "' holds no points");
  }
  return table;
}
} // namespace

bool
IsSlicerPointFileName(const std::string & path)
{
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".fcsv";
}

template <unsigned int VDimension>
PointFile<VDimension>
ReadPointFile(const std::string & argument, const std::string & path)
{
  Table              table = ReadTable(argument, path);
  const char * const axes[] = { "x", "y", "z" };
  std::size_t        columns[VDimension];
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    columns[d] = table.FindColumn(axes[d], d);
  }
  std::size_t width = table.names.size();
  for (const auto & row : table.rows)
  {
    width = std::max(width, row.size());
  }
  std::vector<bool> isCoordinate(width, false);
  for (std::size_t i = 0; i < width; ++i)
  {
    if (i >= table.names.size())
    {
      table.names.push_back("column" + std::to_string(i + 1));
    }
    isCoordinate[i] = std::find(std::begin(columns), std::end(columns), i) != std::end(columns) ||
                      std::find(std::begin(axes), std::end(axes), table.names[i]) != std::end(axes);
  }

  PointFile<VDimension> result;
  for (std::size_t r = 0; r < table.rows.size(); ++r)
  {
    auto & row = table.rows[r];
    row.resize(width);
    itk::Point<double, VDimension> point;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      if (columns[d] >= width || !ParseCoordinate(row[columns[d]], point[d]))
      {
        throw BadInput(argument, "'" + path + "', line " + std::to_string(table.lines[r]) + ", is not a point");
      }
      point[d] = table.isRas && d < 2 ? -point[d] : point[d];
    }
    result.points.push_back(point);
    result.others.emplace_back();
    for (std::size_t i = 0; i < width; ++i)
    {
      if (!isCoordinate[i])
      {
        result.others.back().push_back(row[i]);
      }
    }
  }
  for (std::size_t i = 0; i < width; ++i)
  {
    if (!isCoordinate[i])
    {
      result.otherNames.push_back(table.names[i]);
    }
  }
  return result;
}

template <unsigned int VDimension>
void
WritePointFile(const PointFile<VDimension> & file, const std::string & name, const std::string & path)
{
  std::ofstream output(path);
  const bool    isSlicer = IsSlicerPointFileName(name);
  if (isSlicer)
  {
    output << "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n# columns = ";
    for (std::size_t i = 0; i < SlicerColumns.size(); ++i)
    {
      output << (i > 0 ? "," : "") << SlicerColumns[i];
    }
  }
  else
  {
    output << (VDimension == 2 ? "x,y" : "x,y,z");
    for (const auto & other : file.otherNames)
    {
      output << ',' << other;
    }
  }
  output << '\n';
  for (std::size_t r = 0; r < file.points.size(); ++r)
  {
    std::string coordinates = ToText(file.points[r][0]);
    for (unsigned int d = 1; d < VDimension; ++d)
    {
      coordinates += ',' + ToText(file.points[r][d]);
    }
    if (isSlicer)
    {
      const std::string label = FindField(file.otherNames, file.others[r], "label");
      output << r + 1 << ',' << coordinates << (VDimension == 2 ? ",0" : "") << ",0,0,0,1,1,1,0,"
             << (label.empty() ? "F-" + std::to_string(r + 1) : label) << ','
             << FindField(file.otherNames, file.others[r], "desc") << ',';
    }
    else
    {
      output << coordinates;
      for (const auto & other : file.others[r])
      {
        output << ',' << other;
      }
    }
    output << '\n';
  }
  output.close();
  if (!output)
  {
    throw std::runtime_error("cannot write '" + name + "'");
  }
}

#define gdregInstantiate(dimension)                                                                                    \
  template PointFile<dimension> ReadPointFile<dimension>(const std::string &, const std::string &);                    \
  template void WritePointFile<dimension>(const PointFile<dimension> &, const std::string &, const std::string &)
gdregInstantiate(2);
gdregInstantiate(3);
#undef gdregInstantiate
} // namespace gdreg
