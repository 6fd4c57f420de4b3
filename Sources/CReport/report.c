#include "CReport.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char page[] = {
#embed "assets/page.html"
};
static const unsigned char style[] = {
#embed "assets/page.css"
};
static const unsigned char plotly[] = {
#embed "assets/plotly.min.js.gz"
};
static const unsigned char data_script[] = {
#embed "assets/data.js"
};
static const unsigned char look[] = {
#embed "assets/look.js"
};
static const unsigned char table[] = {
#embed "assets/table.js"
};
static const unsigned char answer[] = {
#embed "assets/answer.js"
};
static const unsigned char steps[] = {
#embed "assets/steps.js"
};
static const unsigned char curves[] = {
#embed "assets/curves.js"
};
static const unsigned char tree[] = {
#embed "assets/tree.js"
};
static const unsigned char against[] = {
#embed "assets/against.js"
};
static const unsigned char main_script[] = {
#embed "assets/main.js"
};

#define WHOLE(array) ((BallastAsset){array, sizeof(array)})

BallastAsset ballast_report_page(void) { return WHOLE(page); }
BallastAsset ballast_report_style(void) { return WHOLE(style); }
BallastAsset ballast_report_plotly(void) { return WHOLE(plotly); }

size_t ballast_report_scripts(void) { return 9; }

BallastAsset ballast_report_script(size_t index) {
  const BallastAsset scripts[] = {
      WHOLE(data_script), WHOLE(look), WHOLE(table),   WHOLE(answer),     WHOLE(steps),
      WHOLE(curves),      WHOLE(tree), WHOLE(against), WHOLE(main_script)};
  return scripts[index];
}
