/* A C program that uses every function of caesar.h, right and wrong. */
#include "caesar.h"

#include <complex.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what) ((what) ? (void)0 : fail(__LINE__, #what))
#define N 40

static void fail(int line, const char *what)
{
    fprintf(stderr, "line %d: %s; %s\n", line, what, caesar_message());
    exit(1);
}

static double field(size_t i) { return sin(0.003 * i) + cos(0.1 * (i % N)); }

static void floats(void)
{
    static double values[N * N * N], copy[N * N * N];
    const size_t shape[3] = {N, N, N}, bound = caesar_bound(CAESAR_FLOAT64, 3, shape);
    size_t size, bytes, rank, read[CAESAR_MAX_RANK];
    int type;
    for (size_t i = 0; i < N * N * N; i++)
        values[i] = field(i);
    char *block = malloc(bound);
    CHECK(bound >= sizeof values);
    CHECK(caesar_compress("abs=1e-3", CAESAR_FLOAT64, 3, shape, values, block, bound, &size) == CAESAR_OK);
    CHECK(size < sizeof values / 8);
    CHECK(caesar_layout(block, size, &bytes, &type, &rank, read) == CAESAR_OK);
    CHECK(bytes == sizeof values && type == CAESAR_FLOAT64 && rank == 3 && memcmp(read, shape, sizeof shape) == 0);
    CHECK(caesar_layout(block, size, NULL, NULL, NULL, NULL) == CAESAR_OK);
    CHECK(caesar_decompress(block, size, copy, sizeof copy) == CAESAR_OK);
    for (size_t i = 0; i < N * N * N; i++)
        CHECK(fabs(values[i] - copy[i]) <= 1e-3);

    CHECK(caesar_decompress(block, size, copy, sizeof copy - 1) == CAESAR_TOO_SMALL);
    CHECK(caesar_compress("abs=1e-3", CAESAR_FLOAT64, 3, shape, values, block, 100, &size) == CAESAR_TOO_SMALL);
    CHECK(caesar_decompress(block, size - 1, copy, sizeof copy) == CAESAR_DAMAGED);
    block[size / 2] ^= 1;
    CHECK(caesar_decompress(block, size, copy, sizeof copy) == CAESAR_DAMAGED);
    CHECK(caesar_decompress("no block at all", 15, copy, sizeof copy) == CAESAR_INCOMPATIBLE);
    free(block);
}

static void complex_numbers_and_integers(void)
{
    float complex values[N], copy[N];
    int16_t counts[N], same[N];
    const size_t shape[1] = {N};
    char block[N * sizeof *values + 1024];
    size_t size;
    for (size_t i = 0; i < N; i++)
    {
        values[i] = (float)field(i) + (float)field(2 * i) * I;
        counts[i] = (int16_t)(1000 * field(i));
    }
    CHECK(caesar_bound(CAESAR_COMPLEX64, 1, shape) <= sizeof block);
    CHECK(caesar_compress("abs=1e-2", CAESAR_COMPLEX64, 1, shape, values, block, sizeof block, &size) == CAESAR_OK);
    CHECK(caesar_decompress(block, size, copy, sizeof copy) == CAESAR_OK);
    for (size_t i = 0; i < N; i++)
        CHECK(fabsf(crealf(values[i] - copy[i])) <= 1e-2f && fabsf(cimagf(values[i] - copy[i])) <= 1e-2f);
    CHECK(caesar_compress("abs=1e-2", CAESAR_INT16, 1, shape, counts, block, sizeof block, &size) == CAESAR_OK);
    CHECK(caesar_decompress(block, size, same, sizeof same) == CAESAR_OK);
    CHECK(memcmp(counts, same, sizeof same) == 0);
}

/* Every byte of a block changed, every length: always noticed. Buffers are as large as they must be, for a memory checker's sake. */
static void damage(void)
{
    enum { POINTS = 9 * 10 * 11 };
    const size_t shape[3] = {9, 10, 11}, bound = caesar_bound(CAESAR_FLOAT32, 3, shape);
    float values[POINTS], *copy = malloc(sizeof values);
    unsigned char *whole = malloc(bound);
    size_t size;
    for (size_t i = 0; i < POINTS; i++)
        values[i] = (float)field(i);
    values[17] = NAN;
    CHECK(caesar_compress("abs=1e-3", CAESAR_FLOAT32, 3, shape, values, whole, bound, &size) == CAESAR_OK);
    for (size_t place = 0; place < size; place++)
    {
        unsigned char *block = malloc(size), *start = malloc(place + 1);
        memcpy(block, whole, size);
        memcpy(start, whole, place);
        block[place] ^= (unsigned char)(1 + place % 255);
        CHECK(caesar_decompress(block, size, copy, sizeof values) != CAESAR_OK);
        CHECK(caesar_decompress(start, place, copy, sizeof values) != CAESAR_OK);
        free(block);
        free(start);
    }
    CHECK(caesar_decompress(whole, size, copy, sizeof values) == CAESAR_OK && isnan(copy[17]));
    free(whole);
    free(copy);
}

static void edges(void)
{
    const size_t none[2] = {5, 0}, huge[3] = {SIZE_MAX / 2, SIZE_MAX / 2, 9};
    char block[1024];
    double value = 2.5, copy = 0;
    size_t size, bytes;
    CHECK(caesar_compress("abs=0.1", CAESAR_FLOAT64, 0, NULL, &value, block, sizeof block, &size) == CAESAR_OK);
    CHECK(caesar_decompress(block, size, &copy, sizeof copy) == CAESAR_OK && fabs(value - copy) <= 0.1);
    CHECK(caesar_compress("", CAESAR_FLOAT32, 2, none, NULL, block, sizeof block, &size) == CAESAR_OK);
    CHECK(caesar_layout(block, size, &bytes, NULL, NULL, NULL) == CAESAR_OK && bytes == 0);
    CHECK(caesar_decompress(block, size, NULL, 0) == CAESAR_OK);

    CHECK(caesar_bound(CAESAR_FLOAT64, 3, huge) == 0);
    CHECK(caesar_bound(99, 2, none) == 0 && caesar_bound(-1, 2, none) == 0);
    CHECK(caesar_bound(CAESAR_FLOAT64, CAESAR_MAX_RANK + 1, none) == 0);
    CHECK(caesar_compress("abs=0.1", CAESAR_FLOAT64, 3, huge, &value, block, sizeof block, &size) != CAESAR_OK);
    CHECK(caesar_compress("abs=0.1", CAESAR_FLOAT64, 0, NULL, NULL, block, sizeof block, &size) == CAESAR_INVALID_ARGUMENT);
    CHECK(caesar_compress(NULL, CAESAR_FLOAT64, 0, NULL, &value, block, sizeof block, &size) == CAESAR_INVALID_ARGUMENT);
    CHECK(caesar_decompress(NULL, 10, &value, sizeof value) == CAESAR_INVALID_ARGUMENT);

    CHECK(caesar_check("rel=1e-3,method=interpolation,effort=fast") == CAESAR_OK);
    CHECK(caesar_check("bas=1e-3") == CAESAR_INVALID_ARGUMENT && strstr(caesar_message(), "bas") != NULL);
    for (int code = -1; code < 12; code++)
        CHECK(strlen(caesar_strerror(code)) > 3);
}

int main(void)
{
    CHECK(strcmp(caesar_message(), "") == 0);
    floats();
    complex_numbers_and_integers();
    damage();
    edges();
    puts("all is well");
    return 0;
}
