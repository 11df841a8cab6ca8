// The helper's mode that turns compressed data on stdin into plain data on stdout.
#ifndef SLIPWAY_DECOMPRESS_H
#define SLIPWAY_DECOMPRESS_H

int decompress_main(const char *format);
#endif
