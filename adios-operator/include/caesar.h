/* H5Z-CAESAR: error-bounded compression of arrays, for C, C++ and (through iso_c_binding) Fortran.
 *
 *     size_t shape[3] = {128, 128, 128}, size;
 *     void *block = malloc(caesar_bound(CAESAR_FLOAT64, 3, shape));
 *     if (caesar_compress("abs=1e-3", CAESAR_FLOAT64, 3, shape, u, block, caesar_bound(CAESAR_FLOAT64, 3, shape), &size))
 *         fprintf(stderr, "%s\n", caesar_message());
 *
 * A block needs nothing but itself to be decoded, in this program or in another one, today or in ten years; docs/format.md
 * says what lies in it. Every function may be called from any thread, and in a child after a fork. Work is shared among
 * CAESAR_NUM_THREADS threads, or as many as there are cores; none outlives its call. */
#ifndef CAESAR_H
#define CAESAR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of elements, in the machine's byte order. A bound holds for floats, and for each of the two parts of a complex
 * number; integers always come back bit for bit. */
enum {
    CAESAR_FLOAT32 = 0,
    CAESAR_FLOAT64 = 1,
    CAESAR_COMPLEX64 = 2,  /* two float32: C's float _Complex, std::complex<float> */
    CAESAR_COMPLEX128 = 3, /* two float64 */
    CAESAR_INT8 = 4,
    CAESAR_INT16 = 5,
    CAESAR_INT32 = 6,
    CAESAR_INT64 = 7,
    CAESAR_UINT8 = 8,
    CAESAR_UINT16 = 9,
    CAESAR_UINT32 = 10,
    CAESAR_UINT64 = 11
};

/* What a function returns: CAESAR_OK, or why nothing was done. */
enum {
    CAESAR_OK = 0,
    CAESAR_INVALID_ARGUMENT = 1, /* options, types or shapes that do not exist */
    CAESAR_TOO_SMALL = 2,        /* the buffer for the result */
    CAESAR_DAMAGED = 3,          /* the bytes of a block contradict themselves, or end too early */
    CAESAR_INCOMPATIBLE = 4,     /* no block, or one of a newer version */
    CAESAR_MODEL_MISSING = 5,    /* caesar_message() says which and where to put it */
    CAESAR_MODEL_UNUSABLE = 6,
    CAESAR_NO_MEMORY = 7,
    CAESAR_INTERNAL = 8          /* a fault of this library: please report it */
};

/* Most dimensions of an array. */
#define CAESAR_MAX_RANK 31

/* Bytes that a block of such an array never exceeds, whatever the values and options; 0 for a type or a shape that cannot be.
 * Extents of `shape` are slowest first, as in C (a Fortran program gives them in reverse); rank 0 is one value, and `shape` is not read. */
size_t caesar_bound(int type, size_t rank, const size_t *shape);

/* Whether `options` can be understood: a bound (abs=1e-3, rel=1e-3, pw_rel=1e-3, nrmse=1e-4, psnr=80, patch_nrmse=1e-4,
 * patch_psnr=80, lossless) and, separated by commas, method=... and effort=fast|balanced|best, as README.md describes them under
 * "Bounds". "" is lossless. */
int caesar_check(const char *options);

/* Compresses the array at `data` into `block`, of which `capacity` bytes are free, and stores the bytes used in `size`.
 * With options that caesar_check accepts and a capacity of caesar_bound, it fails on no values whatever. */
int caesar_compress(const char *options, int type, size_t rank, const size_t *shape, const void *data,
                    void *block, size_t capacity, size_t *size);

/* What array a block of `size` bytes holds, and how many bytes that takes. What is not wanted may be NULL. */
int caesar_layout(const void *block, size_t size, size_t *bytes, int *type, size_t *rank, size_t shape[CAESAR_MAX_RANK]);

/* Decodes a block of `size` bytes into `data`, where `capacity` bytes are free and all that the array has are written.
 * A damaged block is noticed, and nothing is read or written out of bounds. */
int caesar_decompress(const void *block, size_t size, void *data, size_t capacity);

/* One line on what a returned number means. */
const char *caesar_strerror(int code);

/* What exactly went wrong when a function last failed on this thread; "" where none did. Valid until the next call on this
 * thread. */
const char *caesar_message(void);

#ifdef __cplusplus
}
#endif

#endif
