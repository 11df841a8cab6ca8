// LZMA2: chunks of LZMA-coded or plain bytes.
#ifndef SLIPWAY_LZMA2_H
#define SLIPWAY_LZMA2_H
#include "decode.h"

int lzma2_prepare(void);

// Decodes chunks up to the end mark into the window, which holds nothing yet; counts what it reads in `*taken`.
int lzma2_decode(struct decoder *decoder, uint64_t *taken);
#endif
