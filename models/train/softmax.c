/* The attention's softmax with W2V-BERT's relative positions, forward and backward, on bfloat16 numbers in place.

   `scores` is [rows, keys] for rows = batch x heads x queries; `columns` is [rows, left + 1 + right], a query's scores
   for each distance. Row r is the query r % queries of the segment r / (heads x queries), of which `lengths` tells how
   many keys there are; the others get nothing. Built and called by softmax.py. */

#include <math.h>
#include <stdint.h>

enum { LONGEST = 4096 };

static inline float wide(uint16_t half) {
    union { uint32_t bits; float value; } u = { (uint32_t)half << 16 };
    return u.value;
}

static inline uint16_t narrow(float value) {
    union { float value; uint32_t bits; } u = { value };
    return (uint16_t)((u.bits + 0x7fff + ((u.bits >> 16) & 1)) >> 16);
}

static inline long least(long a, long b) { return a < b ? a : b; }
static inline long most(long a, long b) { return a > b ? a : b; }

/* Scores become probabilities. */
void forward(uint16_t *scores, const uint16_t *columns, const int64_t *lengths, long rows, long per_segment, long keys,
             long left, long right) {
    float row[LONGEST];
    for (long r = 0; r < rows; r++) {
        uint16_t *s = scores + r * keys;
        const uint16_t *c = columns + r * (left + 1 + right);
        const long query = r % keys, length = lengths[r / per_segment];
        const long low = least(most(query - left, 0), length), high = least(query + right + 1, length);
        const float back = wide(c[0]), ahead = wide(c[left + right]);
        float top = -INFINITY, sum = 0;
        for (long k = 0; k < low; k++) row[k] = wide(s[k]) + back;
        for (long k = low; k < high; k++) row[k] = wide(s[k]) + wide(c[k - query + left]);
        for (long k = most(low, high); k < length; k++) row[k] = wide(s[k]) + ahead;
        for (long k = 0; k < length; k++) top = row[k] > top ? row[k] : top;
        for (long k = 0; k < length; k++) {
            row[k] = expf(row[k] - top);
            sum += row[k];
        }
        const float scale = 1 / sum;
        for (long k = 0; k < length; k++) s[k] = narrow(row[k] * scale);
        for (long k = length; k < keys; k++) s[k] = 0;
    }
}

/* The gradient by the probabilities becomes that by the scores; `gradient_columns` (zeroes before) takes its sums. */
void backward(uint16_t *gradient, const uint16_t *probabilities, uint16_t *gradient_columns, const int64_t *lengths,
              long rows, long per_segment, long keys, long left, long right) {
    float row[LONGEST];
    for (long r = 0; r < rows; r++) {
        uint16_t *g = gradient + r * keys, *c = gradient_columns + r * (left + 1 + right);
        const uint16_t *p = probabilities + r * keys;
        const long query = r % keys, length = lengths[r / per_segment];
        const long low = least(most(query - left, 0), length), high = least(query + right + 1, length);
        float sum = 0, back = 0, ahead = 0;
        for (long k = 0; k < length; k++) sum += wide(g[k]) * wide(p[k]);
        for (long k = 0; k < length; k++) row[k] = (wide(g[k]) - sum) * wide(p[k]);
        for (long k = 0; k < low; k++) back += row[k];
        for (long k = most(low, high); k < length; k++) ahead += row[k];
        for (long k = low; k < high; k++) c[k - query + left] = narrow(row[k]);
        c[0] = narrow(wide(c[0]) + back);
        c[left + right] = narrow(wide(c[left + right]) + ahead);
        for (long k = 0; k < length; k++) g[k] = narrow(row[k]);
        for (long k = length; k < keys; k++) g[k] = 0;
    }
}
