// See checksum.h.
#include "checksum.h"
#include <string.h>

// Eight bytes at a time for the CRCs ("slicing by 8").
static uint32_t crc32_tables[8][256];
static uint64_t crc64_tables[8][256];
static const uint32_t sha256_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t value, unsigned count)
{
	return value >> count | value << (32 - count);
}

static uint64_t rotate_left(uint64_t value, unsigned count)
{
	return value << count | value >> (64 - count);
}

static uint32_t little32(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint64_t little64(const unsigned char *bytes)
{
	return little32(bytes) | (uint64_t)little32(bytes + 4) << 32;
}

void checksum_prepare(void)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		uint32_t narrow = byte;
		uint64_t wide = byte;
		for (int bit = 0; bit < 8; bit++) {
			narrow = narrow >> 1 ^ (narrow & 1 ? 0xedb88320u : 0);
			wide = wide >> 1 ^ (wide & 1 ? 0xc96c5795d7870f42u : 0);
		}
		crc32_tables[0][byte] = narrow;
		crc64_tables[0][byte] = wide;
	}
	for (unsigned byte = 0; byte < 256; byte++) {
		for (int table = 1; table < 8; table++) {
			uint32_t narrow = crc32_tables[table - 1][byte];
			uint64_t wide = crc64_tables[table - 1][byte];
			crc32_tables[table][byte] = narrow >> 8 ^ crc32_tables[0][narrow & 0xff];
			crc64_tables[table][byte] = wide >> 8 ^ crc64_tables[0][wide & 0xff];
		}
	}
}

uint32_t crc32_update(uint32_t crc, const unsigned char *bytes, size_t length)
{
	crc = ~crc;
	for (; length >= 8; bytes += 8, length -= 8) {
		uint32_t low = little32(bytes) ^ crc, high = little32(bytes + 4);
		crc = crc32_tables[7][low & 0xff] ^ crc32_tables[6][low >> 8 & 0xff] ^ crc32_tables[5][low >> 16 & 0xff] ^ crc32_tables[4][low >> 24]
			^ crc32_tables[3][high & 0xff] ^ crc32_tables[2][high >> 8 & 0xff] ^ crc32_tables[1][high >> 16 & 0xff] ^ crc32_tables[0][high >> 24];
	}
	for (; length > 0; bytes++, length--) crc = crc >> 8 ^ crc32_tables[0][(crc ^ *bytes) & 0xff];
	return ~crc;
}

uint64_t crc64_update(uint64_t crc, const unsigned char *bytes, size_t length)
{
	crc = ~crc;
	for (; length >= 8; bytes += 8, length -= 8) {
		uint64_t all = little64(bytes) ^ crc;
		crc = 0;
		for (int i = 0; i < 8; i++) crc ^= crc64_tables[7 - i][all >> 8 * i & 0xff];
	}
	for (; length > 0; bytes++, length--) crc = crc >> 8 ^ crc64_tables[0][(crc ^ *bytes) & 0xff];
	return ~crc;
}

void sha256_start(struct sha256 *hash)
{
	static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	memcpy(hash->state, initial, sizeof initial);
	hash->length = 0;
}

static void sha256_block(uint32_t state[8], const unsigned char *bytes)
{
	uint32_t w[64], v[8];
	for (int i = 0; i < 16; i++) w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] + (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) + (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
	}
	memcpy(v, state, sizeof v);
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4], a = v[0];
		uint32_t one = v[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + sha256_constants[i] + w[i];
		uint32_t two = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof *v);
		v[4] += one;
		v[0] = one + two;
	}
	for (int i = 0; i < 8; i++) state[i] += v[i];
}

void sha256_update(struct sha256 *hash, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		size_t used = hash->length % 64, part = 64 - used < length ? 64 - used : length;
		memcpy(hash->block + used, bytes, part);
		hash->length += part;
		bytes += part;
		length -= part;
		if (used + part == 64) sha256_block(hash->state, hash->block);
	}
}

void sha256_end(struct sha256 *hash, unsigned char digest[32])
{
	uint64_t bits = hash->length * 8;
	sha256_update(hash, (const unsigned char *)"\x80", 1);
	while (hash->length % 64 != 56) sha256_update(hash, (const unsigned char *)"", 1);
	unsigned char tail[8];
	for (int i = 0; i < 8; i++) tail[i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_update(hash, tail, 8);
	for (int i = 0; i < 32; i++) digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

#define XXH1 0x9e3779b185ebca87u
#define XXH2 0xc2b2ae3d27d4eb4fu
#define XXH3 0x165667b19e3779f9u
#define XXH4 0x85ebca77c2b2ae63u
#define XXH5 0x27d4eb2f165667c5u

static uint64_t xxh64_round(uint64_t lane, uint64_t word)
{
	return rotate_left(lane + word * XXH2, 31) * XXH1;
}

void xxh64_start(struct xxh64 *hash)
{
	*hash = (struct xxh64){ .lanes = { XXH1 + XXH2, XXH2, 0, -XXH1 } };
}

static void xxh64_block(uint64_t lanes[4], const unsigned char *bytes)
{
	for (int i = 0; i < 4; i++) lanes[i] = xxh64_round(lanes[i], little64(bytes + 8 * i));
}

void xxh64_update(struct xxh64 *hash, const unsigned char *bytes, size_t length)
{
	size_t used = hash->length % 32;
	hash->length += length;
	if (used + length < 32) {
		memcpy(hash->block + used, bytes, length);
		return;
	}
	if (used > 0) {
		memcpy(hash->block + used, bytes, 32 - used);
		bytes += 32 - used;
		length -= 32 - used;
		xxh64_block(hash->lanes, hash->block);
	}
	for (; length >= 32; bytes += 32, length -= 32) xxh64_block(hash->lanes, bytes);
	memcpy(hash->block, bytes, length);
}

uint64_t xxh64_end(const struct xxh64 *hash)
{
	const uint64_t *lanes = hash->lanes;
	uint64_t sum = XXH5;
	if (hash->length >= 32) {
		sum = rotate_left(lanes[0], 1) + rotate_left(lanes[1], 7) + rotate_left(lanes[2], 12) + rotate_left(lanes[3], 18);
		for (int i = 0; i < 4; i++) sum = (sum ^ xxh64_round(0, lanes[i])) * XXH1 + XXH4;
	}
	sum += hash->length;
	const unsigned char *at = hash->block, *limit = at + hash->length % 32;
	for (; limit - at >= 8; at += 8) sum = rotate_left(sum ^ xxh64_round(0, little64(at)), 27) * XXH1 + XXH4;
	for (; limit - at >= 4; at += 4) sum = rotate_left(sum ^ little32(at) * XXH1, 23) * XXH2 + XXH3;
	for (; at < limit; at++) sum = rotate_left(sum ^ *at * XXH5, 11) * XXH1;
	sum = (sum ^ sum >> 33) * XXH2;
	sum = (sum ^ sum >> 29) * XXH3;
	return sum ^ sum >> 32;
}
