/* The kernel's loops in C, as a yardstick: CRC-64/ISO by slicing, LZ4 blocks with the same algorithm, framing, WAL checksum.
 * usage: kernel FILE PAGE_SIZE; prints one line "name MB/s" per loop, best of several rounds. Little-endian machines only. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define LOAD(type, p) ({ type load_value; memcpy(&load_value, (p), sizeof load_value); load_value; })
#define STORE(type, p, v) ({ type store_value = (v); memcpy((p), &store_value, sizeof store_value); })

typedef u8 v16 __attribute__((vector_size(16)));

static u64 tables[8][256];
static v16 patterns[16];

static void build_tables(void) {
  for (int offset = 1; offset < 16; offset++)
    for (int i = 0; i < 16; i++) patterns[offset][i] = (u8)(i % offset);
  for (int i = 0; i < 256; i++) {
    u64 value = i;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ 0xd800000000000000ull : value >> 1;
    tables[0][i] = value;
  }
  for (int t = 1; t < 8; t++)
    for (int i = 0; i < 256; i++) tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 255];
}

static u64 crc_update(u64 s, const u8 *p, size_t n) {
  for (; n >= 8; n -= 8, p += 8) {
    u64 x = s ^ LOAD(u64, p);
    s = tables[7][x & 255] ^ tables[6][x >> 8 & 255] ^ tables[5][x >> 16 & 255] ^ tables[4][x >> 24 & 255] ^ tables[3][x >> 32 & 255] ^
        tables[2][x >> 40 & 255] ^ tables[1][x >> 48 & 255] ^ tables[0][x >> 56];
  }
  for (; n > 0; n--, p++) s = (s >> 8) ^ tables[0][(s ^ *p) & 255];
  return s;
}

static u16 slots[4096];
#define SLOT(word) (((word) * 2654435761u) >> 20)

static void wide_copy(u8 *to, const u8 *from, size_t n) {
  u8 *end = to + n;
  do {
    memcpy(to, from, 16);
    to += 16;
    from += 16;
  } while (to < end);
}

static u8 *put_length(u8 *op, size_t rest) {
  for (; rest >= 255; rest -= 255) *op++ = 255;
  *op++ = (u8)rest;
  return op;
}

static size_t last_literals(const u8 *anchor, const u8 *end, u8 *op, const u8 *target) {
  size_t n = end - anchor;
  if (n < 15) *op++ = (u8)(n << 4);
  else {
    *op++ = 0xf0;
    op = put_length(op, n - 15);
  }
  wide_copy(op, anchor, n);
  return op + n - target;
}

static size_t compress_block(const u8 *source, size_t length, u8 *target) {
  const u8 *end = source + length, *last_start = end - 12, *match_limit = end - 5, *anchor = source, *ip = source + 1;
  u8 *op = target;
  if (length <= 12) return last_literals(source, end, target, target);
  memset(slots, 0, sizeof slots);
  for (;;) {
    u32 misses = 64, word;
    const u8 *candidate;
    for (;;) {
      if (ip > last_start) return last_literals(anchor, end, op, target);
      word = LOAD(u32, ip);
      u16 *slot = &slots[SLOT(word)];
      candidate = source + *slot;
      *slot = (u16)(ip - source);
      if (LOAD(u32, candidate) == word) break;
      ip += misses++ >> 6;
    }
    while (ip > anchor && candidate > source && ip[-1] == candidate[-1]) ip--, candidate--;
    size_t literals = ip - anchor;
    u8 *token = op++;
    if (literals < 15) *token = (u8)(literals << 4);
    else {
      *token = 0xf0;
      op = put_length(op, literals - 15);
    }
    wide_copy(op, anchor, literals);
    op += literals;
    STORE(u16, op, (u16)(ip - candidate));
    op += 2;
    ip += 4;
    candidate += 4;
    const u8 *start = ip;
    for (;;) {
      if (ip + 8 > match_limit) {
        while (ip < match_limit && *ip == *candidate) ip++, candidate++;
        break;
      }
      u64 difference = LOAD(u64, ip) ^ LOAD(u64, candidate);
      if (difference) {
        ip += __builtin_ctzll(difference) >> 3;
        break;
      }
      ip += 8;
      candidate += 8;
    }
    size_t extra = ip - start;
    if (extra < 15) *token |= (u8)extra;
    else {
      *token |= 15;
      op = put_length(op, extra - 15);
    }
    anchor = ip;
    if (ip > last_start) return last_literals(anchor, end, op, target);
    slots[SLOT(LOAD(u32, ip - 2))] = (u16)(ip - 2 - source);
  }
}

/* Adds a length's extra bytes; 0 when malformed. */
static int extend(const u8 **ip, const u8 *end, size_t most, size_t *length) {
  while (*ip < end) {
    u8 byte = *(*ip)++;
    *length += byte;
    if (*length > most) return 0;
    if (byte != 255) return 1;
  }
  return 0;
}

static long decompress_block(const u8 *ip, size_t length, u8 *target, size_t target_length) {
  const u8 *end = ip + length;
  u8 *op = target, *limit = target + target_length;
  while (ip < end) {
    u8 token = *ip++;
    size_t literals = token >> 4;
    if (literals != 15 && end - ip >= 18 && limit - op >= 16) memcpy(op, ip, 16);
    else {
      if (literals == 15 && !extend(&ip, end, limit - op, &literals)) return -1;
      if (literals > (size_t)(end - ip) || literals > (size_t)(limit - op)) return -1;
      if ((size_t)(end - ip) >= literals + 16 && (size_t)(limit - op) >= literals + 16) wide_copy(op, ip, literals);
      else memcpy(op, ip, literals);
    }
    ip += literals;
    op += literals;
    if (ip == end) return op == limit ? (long)target_length : -1;
    if (end - ip < 2) return -1;
    size_t offset = LOAD(u16, ip);
    ip += 2;
    if (offset == 0 || offset > (size_t)(op - target)) return -1;
    size_t match = token & 15;
    if (match == 15 && !extend(&ip, end, limit - op, &match)) return -1;
    match += 4;
    size_t room = limit - op;
    if (match > room) return -1;
    u8 *stop = op + match;
    if (offset >= 16 && room >= match + 32) wide_copy(op, op - offset, match);
    else if (room >= match + 32) {
      v16 pattern = __builtin_shuffle(LOAD(v16, op - offset), patterns[offset]);
      size_t step = 16 - 16 % offset;
      for (u8 *at = op; at < stop; at += step) memcpy(at, &pattern, 16);
    }
    else
      for (u8 *at = op; at < stop; at++) *at = at[-(long)offset];
    op = stop;
  }
  return -1;
}

static u64 encode(const u8 *data, size_t bytes, size_t page, u8 *out, u32 *lengths) {
  u64 state = ~0ull;
  u8 *op = out;
  for (size_t at = 0, i = 0; at < bytes; at += page, i++) {
    u32 size = (u32)compress_block(data + at, page, op + 10);
    STORE(u32, op, __builtin_bswap32((u32)i + 1));
    STORE(u16, op + 4, __builtin_bswap16(1));
    STORE(u32, op + 6, __builtin_bswap32(size));
    state = crc_update(crc_update(state, op, 10), data + at, page);
    lengths[i] = size + 10;
    op += size + 10;
  }
  return ~state;
}

static u64 decode(const u8 *in, size_t bytes, size_t page, u8 *out, const u32 *lengths) {
  u64 state = ~0ull;
  for (size_t at = 0, i = 0; at < bytes; at += page, i++) {
    if (decompress_block(in + 10, lengths[i] - 10, out + at, page) != (long)page) abort();
    state = crc_update(crc_update(state, in, 10), out + at, page);
    in += lengths[i];
  }
  return ~state;
}

static u32 wal_checksum(const u8 *p, size_t n) {
  u32 a = 0, b = 0;
  for (const u8 *end = p + n; p < end; p += 8) {
    a += LOAD(u32, p) + b;
    b += LOAD(u32, p + 4) + a;
  }
  return a ^ b;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static volatile u64 sink;

#define MEASURE(name, expression)                                                  \
  do {                                                                             \
    double best = 1e9;                                                             \
    for (int round = 0; round < 5; round++) {                                      \
      double from = now();                                                         \
      sink += (u64)(expression);                                                   \
      double took = now() - from;                                                  \
      if (took < best) best = took;                                                \
    }                                                                              \
    printf("%s %.1f\n", name, bytes / best / 1e6);                                 \
  } while (0)

#define EACH_PAGE(call) ({ u64 sum = 0; for (size_t at = 0; at < bytes; at += page) sum += (call); sum; })

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) return 2;
  fseek(file, 0, SEEK_END);
  size_t page = strtoul(argv[2], NULL, 10), bytes = (size_t)ftell(file) / page * page;
  rewind(file);
  size_t pages = bytes / page, bound = page + page / 255 + 42;
  u8 *data = malloc(bytes + 64), *packed = malloc(pages * bound + 64), *back = malloc(bytes + 64);
  u32 *lengths = malloc(pages * sizeof *lengths), *sizes = malloc(pages * sizeof *sizes);
  if (fread(data, 1, bytes, file) != bytes) return 2;
  build_tables();

  MEASURE("crc64", EACH_PAGE(crc_update(~0ull, data + at, page)));
  MEASURE("lz4-compress", EACH_PAGE(sizes[at / page] = (u32)compress_block(data + at, page, packed + at / page * bound)));
  MEASURE("lz4-decompress", EACH_PAGE(decompress_block(packed + at / page * bound, sizes[at / page], back + at, page)));
  MEASURE("wal-checksum", EACH_PAGE(wal_checksum(data + at, page)));
  u64 written = 0, read = 0;
  MEASURE("encode", written = encode(data, bytes, page, packed, lengths));
  MEASURE("decode", read = decode(packed, bytes, page, back, lengths));
  return written == read && memcmp(data, back, bytes) == 0 ? 0 : 1;
}
