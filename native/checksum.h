// The checksums that compressed files carry.
#ifndef SLIPWAY_CHECKSUM_H
#define SLIPWAY_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>

// Fills the tables; must come first.
void checksum_prepare(void);

// CRC-32 of IEEE 802.3 and CRC-64 of ECMA-182, both reflected; start with 0.
uint32_t crc32_update(uint32_t crc, const unsigned char *bytes, size_t length);
uint64_t crc64_update(uint64_t crc, const unsigned char *bytes, size_t length);

struct sha256 {
	uint32_t state[8];
	uint64_t length;
	unsigned char block[64];
};
void sha256_start(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const unsigned char *bytes, size_t length);
void sha256_end(struct sha256 *hash, unsigned char digest[32]);

// xxHash64 with seed 0.
struct xxh64 {
	uint64_t lanes[4], length;
	unsigned char block[32];
};
void xxh64_start(struct xxh64 *hash);
void xxh64_update(struct xxh64 *hash, const unsigned char *bytes, size_t length);
uint64_t xxh64_end(const struct xxh64 *hash);
#endif
