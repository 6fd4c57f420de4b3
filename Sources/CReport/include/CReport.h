#pragma once
#include <stddef.h>

// The files of assets/, which the program carries, so that a report needs nothing beside it.

/// Bytes of a file; no zero ends them.
typedef struct {
  const unsigned char *_Nonnull bytes;
  size_t count;
} BallastAsset;

/// The page into which style, library, data and script are put.
BallastAsset ballast_report_page(void);
BallastAsset ballast_report_style(void);
/// Parts of the script, in order; their number is `ballast_report_scripts`.
BallastAsset ballast_report_script(size_t index);
size_t ballast_report_scripts(void);
/// plotly.js, gzipped.
BallastAsset ballast_report_plotly(void);
