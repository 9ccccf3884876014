/* The fused losses on a CPU: sums of the terms in terms.py, for float32 logits (N, C, P).
 *
 * The logits of WIDTH pixels are copied, class by class, to memory that stays in the cache (where they lie they
 * get in each other's way there: their distance is often a power of two), and everything is done there. Loops run
 * over the pixels of a chunk, so that the compiler makes vectors of them. Tasks, each a range of pixels, are shared
 * out by OpenMP: on Linux by the very runtime that torch has loaded, whose idle threads would else be in the way.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 256      /* pixels of a chunk, */
#define MANY 256       /* but with more classes than this */
#define WIDTH_OF_MANY 64 /* only so many */
#define MAX_SUMS 8
#define LOWEST_LOG -1e30f /* see functional/_pixels.py */

/* By what the processor can do, not by its name: "arch=haswell" would leave AMD's out. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#if __GNUC__ >= 12
#define FOR_THIS_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_THIS_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define FOR_THIS_PROCESSOR
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif
#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define EACH for (ptrdiff_t i = 0; i < w; ++i)

/* In the order of KINDS and SUM_KINDS in terms.py. */
enum { CE, FOCAL, MAE, GCE, AGCE, AUE, AEL, NCE, RCE, NFL, NNCE, NNFL };
enum { LOG, FLIP, FOCAL_SUM, OTHERS, FOCAL_FLIP };

typedef struct {
    int32_t kind; /* of the loss */
    int32_t sum;  /* which of the sums it divides by, or -1 */
    float weight, a, b;
} Term;

typedef struct {
    int32_t kind;
    float log_min, gamma, top; /* see ClassSum in terms.py */
} Sum;

typedef struct {
    int64_t num_samples, num_classes, num_pixels;
    int64_t sample_stride, class_stride; /* of the logits, in values; a sample's pixels lie side by side */
    int64_t ignore_index;
    int32_t binary; /* whether there is one channel, of class 1, and class 0 has logits of zero */
    int32_t num_terms, num_sums;
    const Term *terms;
    const Sum *sums;
    int32_t saves_gradient; /* for two classes and no mass: see anl_seg_forward */
    float mass_min;
} Loss;

/* What a chunk's pixels have in common with no other. */
typedef struct {
    float *log_p; /* (C, WIDTH): logits at first, log p in the end */
    float counts[WIDTH]; /* 1, or 0 where the label is ignored */
    int32_t label[WIDTH];
    float peak[WIDTH], log_norm[WIDTH];
    float label_log_p[WIDTH];
    float total[MAX_SUMS][WIDTH]; /* over the classes */
    float slope_total[MAX_SUMS][WIDTH];
    float value[WIDTH], of_label[WIDTH], of_sum[MAX_SUMS][WIDTH];
    float of_all[WIDTH], through[WIDTH]; /* what every G_k has; the sum of G_k over the classes */
} Chunk;

INLINE float from_bits(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE int32_t to_bits(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* x - y; 0 where both are the same infinity. */
INLINE float less(float x, float y) {
    return x == y ? 0.0f : x - y;
}

/* A logarithm to divide by, or to be divided by one; NaN stays. */
INLINE float not_lowest(float x) {
    return x < LOWEST_LOG ? LOWEST_LOG : x;
}

/* x = n log 2 + r, n an integer; 2^n, and exp(r) - 1. */
INLINE float exp_parts(float x, float *scale) {
    float t = -88.1f > x ? -88.1f : x; /* from here on 2^n below is 0; NaN stays */
    float shifted = t * 1.44269504f + 12582912.0f; /* rounds to an integer, in the last bits */
    float n = shifted - 12582912.0f;
    float r = t - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float s = 1.0f / 5040.0f;
    s = s * r + 1.0f / 720.0f;
    s = s * r + 1.0f / 120.0f;
    s = s * r + 1.0f / 24.0f;
    s = s * r + 1.0f / 6.0f;
    s = s * r + 0.5f;
    s = s * r + 1.0f;
    *scale = from_bits((int32_t)(((uint32_t)to_bits(shifted) + 127u) << 23)); /* of NaN anything: r has it */
    return s * r;
}

/* exp(x), x <= 88, to two units of the last digit; 0 below -88. */
INLINE float exp_(float x) {
    float scale, rest = exp_parts(x, &scale);
    return scale + scale * rest;
}

/* exp(x) - 1, to as many digits next to 0. */
INLINE float expm1_(float x) {
    float scale, rest = exp_parts(x, &scale);
    return scale * rest + (scale - 1.0f);
}

/* log(x), x > 0 and not subnormal: 2 artanh((m - 1) / (m + 1)) + e log 2, x = m 2^e, m next to 1. */
INLINE float log_(float x) {
    int32_t bits = to_bits(x);
    int32_t e = (bits - 0x3f3504f3) >> 23;
    float m = from_bits(bits - e * (1 << 23));
    float s = (m - 1.0f) / (m + 1.0f);
    float q = s * s;
    float series = 2.0f / 9.0f;
    series = series * q + 2.0f / 7.0f;
    series = series * q + 2.0f / 5.0f;
    series = series * q + 2.0f / 3.0f;
    series = series * q + 2.0f;
    float k = (float)e;
    return (series * s - k * 2.12194440e-4f) + k * 0.693359375f + (x - x); /* x - x: NaN and inf pass */
}

/* log(1 + x), x > -1: what rounding takes from 1 + x is put back. */
INLINE float log1p_(float x) {
    float u = 1.0f + x;
    return log_(u) + (x - (u - 1.0f)) / u;
}

/* x^y, x >= 0. */
INLINE float power_(float x, float y) {
    float safe = x > 1.17549435e-38f ? x : 1.0f;
    float exponent = y * log_(safe);
    float result = exp_(exponent > 88.0f ? 88.0f : exponent);
    return x > 1.17549435e-38f ? result : (x == x ? 0.0f : x);
}

/* (1 - p)^gamma of a row of log p. */
INLINE void focal_factors(const float *restrict log_p, float gamma, float *restrict out, ptrdiff_t w) {
    EACH out[i] = -expm1_(log_p[i]);
    if (gamma == 0.0f) {
        EACH out[i] = out[i] * 0.0f + 1.0f;
    } else if (gamma == 0.5f) {
        EACH out[i] = sqrtf(out[i]);
    } else if (gamma == 2.0f) {
        EACH out[i] = out[i] * out[i];
    } else if (gamma != 1.0f) {
        EACH out[i] = power_(out[i], gamma);
    }
}

/* Labels and which of them count; whether one is out of range. */
INLINE int32_t take_labels(const Loss *loss, const int64_t *restrict y, Chunk *c, ptrdiff_t w) {
    const int64_t classes = loss->num_classes, ignore = loss->ignore_index;
    int32_t bad = 0;
    EACH {
        int64_t label = y[i];
        int32_t here = label != ignore;
        int32_t within = label >= 0 && label < classes;
        bad |= here & !within;
        c->counts[i] = (float)here;
        c->label[i] = here & within ? (int32_t)label : 0;
    }
    return bad;
}

static const float ZEROS[WIDTH];

/* Where a class's logits begin; a binary head's class 0 has zeros. */
INLINE const float *logits_of(const Loss *loss, const float *z, int64_t k) {
    return loss->binary && k == 0 ? ZEROS : z + (k - loss->binary) * loss->class_stride;
}

/* Logits less their peak to c->log_p; peak and log_norm. */
INLINE void take_norms(const Loss *loss, const float *z, Chunk *c, ptrdiff_t w) {
    float *restrict peak = c->peak, *restrict norm = c->log_norm;
    const float *restrict first = logits_of(loss, z, 0);
    EACH peak[i] = first[i];
    for (int64_t k = 0; k < loss->num_classes; ++k) {
        const float *restrict from = logits_of(loss, z, k);
        float *restrict row = c->log_p + k * WIDTH;
        EACH {
            row[i] = from[i];
            peak[i] = from[i] > peak[i] ? from[i] : peak[i];
        }
    }
    EACH norm[i] = 0.0f;
    for (int64_t k = 0; k < loss->num_classes; ++k) {
        float *restrict row = c->log_p + k * WIDTH;
        EACH {
            float shifted = less(row[i], peak[i]);
            row[i] = shifted;
            norm[i] += exp_(shifted);
        }
    }
    EACH norm[i] = log_(norm[i]);
}

/* Add a class to the sums over the classes and to those of their slopes. */
INLINE void add_to_sums(const Loss *loss, const float *restrict log_p, int64_t k, Chunk *c, ptrdiff_t w) {
    float clamped[WIDTH], factor[WIDTH];
    for (int32_t s = 0; s < loss->num_sums; ++s) {
        const Sum sum = loss->sums[s];
        const float low = sum.log_min;
        float *restrict total = c->total[s], *restrict slopes = c->slope_total[s];
        switch (sum.kind) {
        case LOG:
            EACH total[i] += not_lowest(log_p[i]);
            if (k == 0) EACH slopes[i] = (float)loss->num_classes;
            break;
        case FLIP:
            EACH {
                float above = log_p[i] - low;
                total[i] += above < 0.0f ? 0.0f : above;
                slopes[i] += log_p[i] >= low ? 1.0f : 0.0f;
            }
            break;
        case FOCAL_SUM:
            focal_factors(log_p, sum.gamma, factor, w);
            EACH total[i] += factor[i] * not_lowest(log_p[i]);
            EACH slopes[i] += factor[i];
            break;
        case OTHERS:
            EACH {
                float p = exp_(log_p[i] < low ? low : log_p[i]);
                p = c->label[i] != (int32_t)k ? p : 0.0f;
                total[i] += p;
                slopes[i] += log_p[i] >= low ? p : 0.0f;
            }
            break;
        case FOCAL_FLIP:
            EACH clamped[i] = log_p[i] < low ? low : log_p[i];
            focal_factors(clamped, sum.gamma, factor, w);
            EACH total[i] += log_p[i] < low ? 0.0f : sum.top + factor[i] * clamped[i]; /* no rest of rounding */
            EACH slopes[i] += log_p[i] >= low ? factor[i] : 0.0f;
            break;
        }
    }
}

/* log p, of all classes and of the label, and the sums; from logits less their peak, or, with z, from these. */
INLINE void take_log_p(const Loss *loss, const float *z, Chunk *c, ptrdiff_t w) {
    const float *restrict peak = c->peak, *restrict norm = c->log_norm;
    memset(c->total, 0, sizeof c->total[0] * (size_t)loss->num_sums);
    memset(c->slope_total, 0, sizeof c->slope_total[0] * (size_t)loss->num_sums);
    for (int64_t k = 0; k < loss->num_classes; ++k) {
        float *restrict row = c->log_p + k * WIDTH;
        if (z) {
            const float *restrict from = logits_of(loss, z, k);
            EACH row[i] = less(from[i], peak[i]) - norm[i];
        } else {
            EACH row[i] -= norm[i];
        }
        add_to_sums(loss, row, k, c, w);
    }
    EACH c->label_log_p[i] = c->log_p[c->label[i] * WIDTH + i];
}

/* Loss of each pixel, and its slopes by log p of the label and by the sums. */
INLINE void mix_terms(const Loss *loss, Chunk *c, ptrdiff_t w) {
    float f[WIDTH], clamped[WIDTH];
    const float *restrict l = c->label_log_p;
    float *restrict value = c->value, *restrict own = c->of_label;
    EACH value[i] = 0.0f;
    EACH own[i] = 0.0f;
    memset(c->of_sum, 0, sizeof c->of_sum[0] * (size_t)loss->num_sums);
    for (int32_t t = 0; t < loss->num_terms; ++t) {
        const Term term = loss->terms[t];
        const float weight = term.weight, a = term.a, b = term.b;
        const int32_t s = term.sum < 0 ? 0 : term.sum;
        const float *restrict total = c->total[s];
        float *restrict of_sum = c->of_sum[s];
        const float low = term.sum < 0 ? 0.0f : loss->sums[s].log_min;
        switch (term.kind) {
        case CE:
            EACH value[i] -= weight * l[i];
            EACH own[i] -= weight;
            break;
        case FOCAL: /* a = gamma */
            focal_factors(l, a, f, w);
            EACH value[i] -= weight * f[i] * l[i];
            EACH own[i] -= weight * f[i];
            break;
        case MAE:
            EACH value[i] -= weight * expm1_(l[i]);
            EACH own[i] -= weight * exp_(l[i]);
            break;
        case GCE: /* a = q */
            EACH {
                float x = l[i] < b ? b : l[i];
                value[i] -= weight / a * expm1_(a * x);
                own[i] -= l[i] >= b ? weight * exp_(a * l[i]) : 0.0f;
            }
            break;
        case AGCE: { /* a, b = q */
            float scale = powf(a + 1.0f, b);
            EACH {
                float p = exp_(l[i]), rest = -expm1_(l[i]);
                value[i] -= weight * scale / b * expm1_(b * log1p_(-rest / (a + 1.0f)));
                own[i] -= weight * p * power_(a + p, b - 1.0f);
            }
            break;
        }
        case AUE: { /* a, b = q */
            float scale = powf(a - 1.0f, b);
            EACH {
                float p = exp_(l[i]), rest = -expm1_(l[i]);
                value[i] += weight * scale / b * expm1_(b * log1p_(rest / (a - 1.0f)));
                own[i] -= weight * p * power_(a - p, b - 1.0f);
            }
            break;
        }
        case AEL:
            EACH {
                float p = exp_(l[i]), e = exp_(-p / a);
                value[i] += weight * e;
                own[i] -= weight * p * e / a;
            }
            break;
        case NCE:
            EACH {
                float inverse = 1.0f / total[i], share = not_lowest(l[i]) * inverse;
                value[i] += weight * share;
                own[i] += weight * inverse;
                of_sum[i] -= weight * share * inverse;
            }
            break;
        case RCE:
            EACH value[i] += weight * a * total[i];
            EACH of_sum[i] += weight * a;
            break;
        case NFL:
            focal_factors(l, loss->sums[s].gamma, f, w);
            EACH {
                float inverse = 1.0f / total[i], slope = f[i] * inverse, share = slope * not_lowest(l[i]);
                value[i] += weight * share;
                own[i] += weight * slope;
                of_sum[i] -= weight * share * inverse;
            }
            break;
        case NNCE:
            EACH {
                float inverse = 1.0f / total[i], above = l[i] - low;
                float share = (above < 0.0f ? 0.0f : above) * inverse;
                value[i] += weight * (1.0f - share);
                own[i] -= l[i] >= low ? weight * inverse : 0.0f;
                of_sum[i] += weight * share * inverse;
            }
            break;
        case NNFL:
            EACH clamped[i] = l[i] < low ? low : l[i];
            focal_factors(clamped, loss->sums[s].gamma, f, w);
            EACH {
                float inverse = 1.0f / total[i];
                float share = (l[i] < low ? 0.0f : loss->sums[s].top + f[i] * clamped[i]) * inverse;
                value[i] += weight * (1.0f - share);
                own[i] -= l[i] >= low ? weight * f[i] * inverse : 0.0f;
                of_sum[i] += weight * share * inverse;
            }
            break;
        }
    }
}

/* The slopes times the upstream gradient, and what p_k is multiplied by: the sum of G_k over the classes. */
INLINE void take_through(const Loss *loss, Chunk *c, const float *restrict upstream, const float *grad_mass,
                         ptrdiff_t w) {
    float up[WIDTH];
    float *restrict through = c->through, *restrict all = c->of_all;
    EACH up[i] = c->counts[i] != 0.0f ? upstream[i] : 0.0f;
    EACH c->of_label[i] *= up[i];
    EACH through[i] = c->of_label[i];
    EACH all[i] = 0.0f;
    for (int32_t s = 0; s < loss->num_sums; ++s) {
        EACH c->of_sum[s][i] *= up[i];
        EACH through[i] += c->of_sum[s][i] * c->slope_total[s][i];
        if (loss->sums[s].kind == LOG) EACH all[i] += c->of_sum[s][i];
    }
    const float low = loss->mass_min, high = 1.0f - loss->mass_min;
    for (int64_t k = 0; grad_mass && k < loss->num_classes; ++k) {
        const float *restrict row = c->log_p + k * WIDTH;
        const float scale = grad_mass[k];
        EACH {
            float p = exp_(row[i]);
            through[i] += p >= low && p <= high ? scale * p * c->counts[i] : 0.0f;
        }
    }
}

/* dL / dz_k = G_k - p_k sum_j G_j, of the label's own G_k only what the sums give. */
INLINE void class_gradient(const Loss *loss, int64_t k, const Chunk *c, const float *grad_mass,
                           float *restrict out, ptrdiff_t w) {
    const float *restrict log_p = c->log_p + k * WIDTH;
    const float *restrict through = c->through, *restrict all = c->of_all;
    float clamped[WIDTH], factor[WIDTH];
    EACH out[i] = all[i] - exp_(log_p[i]) * through[i];
    for (int32_t s = 0; s < loss->num_sums; ++s) {
        const Sum sum = loss->sums[s];
        const float low = sum.log_min;
        const float *restrict slope = c->of_sum[s];
        switch (sum.kind) {
        case FLIP:
            EACH out[i] += log_p[i] >= low ? slope[i] : 0.0f;
            break;
        case FOCAL_SUM:
            focal_factors(log_p, sum.gamma, factor, w);
            EACH out[i] += factor[i] * slope[i];
            break;
        case OTHERS:
            EACH out[i] += log_p[i] >= low && c->label[i] != (int32_t)k ? exp_(log_p[i]) * slope[i] : 0.0f;
            break;
        case FOCAL_FLIP:
            EACH clamped[i] = log_p[i] < low ? low : log_p[i];
            focal_factors(clamped, sum.gamma, factor, w);
            EACH out[i] += log_p[i] >= low ? factor[i] * slope[i] : 0.0f;
            break;
        }
    }
    if (grad_mass) {
        const float scale = grad_mass[k], low = loss->mass_min, high = 1.0f - loss->mass_min;
        EACH {
            float p = exp_(log_p[i]);
            out[i] += p >= low && p <= high ? scale * p * c->counts[i] : 0.0f;
        }
    }
}

INLINE void add_mass(const Loss *loss, const Chunk *c, double *mass, ptrdiff_t w) {
    const float low = loss->mass_min, high = 1.0f - loss->mass_min;
    for (int64_t k = 0; k < loss->num_classes; ++k) {
        const float *restrict row = c->log_p + k * WIDTH;
        float p[WIDTH];
        double sum = 0.0;
        EACH {
            float q = exp_(row[i]);
            q = q < low ? low : q;
            q = q > high ? high : q;
            p[i] = c->counts[i] != 0.0f ? q : 0.0f;
        }
        EACH sum += p[i];
        mass[k] += sum;
    }
}

INLINE ptrdiff_t width(const Loss *loss, int64_t pixel, int64_t left) {
    int64_t most = loss->num_classes > MANY ? WIDTH_OF_MANY : WIDTH;
    if (loss->num_pixels - pixel < most) most = loss->num_pixels - pixel;
    return (ptrdiff_t)(left < most ? left : most);
}

/* What a task returns: nothing wrong, or these bits. */
enum { WRONG_LABEL = 1, NO_MEMORY = 2 };

/* Two classes, and weights of the terms that then need one exponential and one logarithm in all. */
typedef struct {
    float ce, mae, nce, nnce, flip;
} Margin;

/* Whether the loss is a sum of such terms; CE, MAE, NCE, and NNCE with one flip point. */
static int is_of_margin(const Loss *loss, Margin *m) {
    int flips = 0;
    *m = (Margin){0.0f, 0.0f, 0.0f, 0.0f, -16.0f};
    if (loss->num_classes != 2 || !loss->saves_gradient) return 0;
    for (int32_t t = 0; t < loss->num_terms; ++t) {
        const Term term = loss->terms[t];
        float flip;
        switch (term.kind) {
        case CE: m->ce += term.weight; break;
        case MAE: m->mae += term.weight; break;
        case NCE: m->nce += term.weight; break;
        case NNCE:
            flip = loss->sums[term.sum].log_min;
            if (flips && flip != m->flip) return 0;
            flips = 1;
            m->flip = flip;
            m->nnce += term.weight;
            break;
        default: return 0;
        }
    }
    return 1;
}

/* Value and gradient by the logit of class 1, from d = z_y - z_other: log p_y = min(d, 0) - log(1 + exp(-|d|)). */
INLINE int32_t margin_chunk(const Margin *m, const float *restrict zero, const float *restrict one,
                            const int64_t *restrict y, int64_t ignore, float *restrict values,
                            float *restrict saved, ptrdiff_t w) {
    float sign[WIDTH], counts[WIDTH], slope[WIDTH];
    int32_t bad = 0;
    const float ce = m->ce, mae = m->mae, nce = m->nce, nnce = m->nnce, flip = m->flip;
    EACH {
        int64_t label = y[i];
        int32_t here = label != ignore, within = label == 0 || label == 1;
        bad |= here & !within;
        counts[i] = (float)here;
        sign[i] = label == 1 ? 1.0f : -1.0f;
    }
    EACH {
        float d = sign[i] * less(one[i], zero[i]);
        float e = exp_(d < 0.0f ? d : -d);
        float norm = log1p_(e), inverse = 1.0f / (1.0f + e);
        float p = (d < 0.0f ? e : 1.0f) * inverse, rest = (d < 0.0f ? 1.0f : e) * inverse; /* p_y, 1 - p_y */
        float l = (d < 0.0f ? d : 0.0f) - norm, other = (d < 0.0f ? 0.0f : -d) - norm;
        float bounded = not_lowest(l), sum = 1.0f / (bounded + not_lowest(other)), share = bounded * sum;
        float above = l < flip ? 0.0f : l - flip, others = other < flip ? 0.0f : other - flip;
        float flipped = 1.0f / (above + others), kept = above * flipped;
        /* log p may be infinite: its product with no weight would be no number. */
        float value = mae * rest - (ce != 0.0f ? ce * l : 0.0f) + nce * share + nnce * (1.0f - kept);
        float of_label = nce * (1.0f - share) * sum - ce - mae * p;
        float of_other = -nce * share * sum;
        of_label -= l >= flip ? nnce * (1.0f - kept) * flipped : 0.0f;
        of_other += other >= flip ? nnce * kept * flipped : 0.0f;
        values[i] = counts[i] != 0.0f ? value : 0.0f;
        slope[i] = counts[i] != 0.0f ? sign[i] * (of_label * rest - of_other * p) : 0.0f;
    }
    if (saved) EACH saved[i] = slope[i];
    return bad;
}

/* See anl_seg_forward: the pixels [begin, end) of all N * P. */
FOR_THIS_PROCESSOR static int32_t margin_range(const Loss *loss, const Margin *m, const float *logits,
                                               const int64_t *target, float *values, float *saved, int64_t begin,
                                               int64_t end) {
    const int64_t pixels = loss->num_pixels;
    int32_t wrong = 0;
    while (begin < end) {
        int64_t sample = begin / pixels, pixel = begin % pixels;
        ptrdiff_t w = width(loss, pixel, end - begin);
        const float *z = logits + sample * loss->sample_stride + pixel;
        wrong |= margin_chunk(m, logits_of(loss, z, 0), logits_of(loss, z, 1), target + begin, loss->ignore_index,
                              values + begin, saved ? saved + begin : NULL, w);
        begin += w;
    }
    return wrong ? WRONG_LABEL : 0;
}

/* See anl_seg_forward: the pixels [begin, end) of all N * P. */
FOR_THIS_PROCESSOR static int32_t forward_range(const Loss *loss, const float *logits, const int64_t *target,
                                                float *values, float *saved, double *mass, int64_t begin,
                                                int64_t end) {
    const int64_t pixels = loss->num_pixels, all = loss->num_samples * pixels;
    int32_t wrong = 0;
    Chunk c;
    c.log_p = malloc(sizeof(float) * WIDTH * (size_t)loss->num_classes);
    if (!c.log_p) return NO_MEMORY;
    while (begin < end) {
        int64_t sample = begin / pixels, pixel = begin % pixels;
        ptrdiff_t w = width(loss, pixel, end - begin);
        wrong |= take_labels(loss, target + begin, &c, w);
        take_norms(loss, logits + sample * loss->sample_stride + pixel, &c, w);
        take_log_p(loss, NULL, &c, w);
        mix_terms(loss, &c, w);
        EACH values[begin + i] = c.counts[i] != 0.0f ? c.value[i] : 0.0f;
        if (saved && loss->saves_gradient) {
            float *restrict out = saved + begin;
            take_through(loss, &c, c.counts, NULL, w);
            class_gradient(loss, 1, &c, NULL, out, w);
            EACH out[i] += c.label[i] ? c.of_label[i] : 0.0f;
        } else if (saved) {
            memcpy(saved + begin, c.peak, sizeof(float) * (size_t)w);
            memcpy(saved + all + begin, c.log_norm, sizeof(float) * (size_t)w);
        }
        if (mass) add_mass(loss, &c, mass, w);
        begin += w;
    }
    free(c.log_p);
    return wrong ? WRONG_LABEL : 0;
}

/* See anl_seg_backward: the pixels [begin, end) of all N * P. */
FOR_THIS_PROCESSOR static int32_t backward_range(const Loss *loss, const float *logits, const int64_t *target,
                                                 const float *saved, const float *upstream,
                                                 const float *grad_mass, float *grad, int64_t begin,
                                                 int64_t end) {
    const int64_t pixels = loss->num_pixels, all = loss->num_samples * pixels;
    const int64_t channels = loss->num_classes - loss->binary;
    Chunk c;
    c.log_p = malloc(sizeof(float) * WIDTH * (size_t)loss->num_classes);
    if (!c.log_p) return NO_MEMORY;
    while (begin < end) {
        int64_t sample = begin / pixels, pixel = begin % pixels;
        ptrdiff_t w = width(loss, pixel, end - begin);
        float *out = grad + sample * channels * pixels + pixel;
        if (loss->saves_gradient) {
            const float *restrict up = upstream + begin, *restrict of_one = saved + begin;
            float *restrict one = out + (channels - 1) * pixels;
            EACH one[i] = of_one[i] * up[i];
            if (channels == 2) EACH out[i] = -one[i];
        } else {
            take_labels(loss, target + begin, &c, w);
            memcpy(c.peak, saved + begin, sizeof(float) * (size_t)w);
            memcpy(c.log_norm, saved + all + begin, sizeof(float) * (size_t)w);
            take_log_p(loss, logits + sample * loss->sample_stride + pixel, &c, w);
            mix_terms(loss, &c, w);
            take_through(loss, &c, upstream + begin, grad_mass, w);
            for (int64_t k = loss->binary; k < loss->num_classes; ++k)
                class_gradient(loss, k, &c, grad_mass, out + (k - loss->binary) * pixels, w);
            if (loss->binary) {
                EACH out[i] += c.label[i] ? c.of_label[i] : 0.0f;
            } else {
                EACH out[c.label[i] * pixels + i] += c.of_label[i];
            }
        }
        begin += w;
    }
    free(c.log_p);
    return 0;
}

/* Loss of each pixel.
 *
 * values: (N, P). saved: what the backward pass needs, or NULL; of two classes (N, P), the gradient of the logit
 * of class 1, else (2, N, P), the largest logit and the log of the normalizer. mass: (tasks, C), zeros, added to,
 * or NULL. Returns bits: see above.
 */
EXPORT int32_t anl_seg_forward(const Loss *loss, const float *logits, const int64_t *target, float *values,
                               float *saved, double *mass, int64_t tasks, int32_t threads) {
    const int64_t all = loss->num_samples * loss->num_pixels;
    int32_t status = 0;
    Margin margin;
    const int of_margin = is_of_margin(loss, &margin);
    (void)threads;
#pragma omp parallel for schedule(dynamic) num_threads(threads) reduction(| : status)
    for (int64_t t = 0; t < tasks; ++t)
        if (of_margin)
            status |= margin_range(loss, &margin, logits, target, values, saved, all * t / tasks,
                                   all * (t + 1) / tasks);
        else
            status |= forward_range(loss, logits, target, values, saved,
                                    mass ? mass + t * loss->num_classes : NULL, all * t / tasks,
                                    all * (t + 1) / tasks);
    return status;
}

/* Gradient of the logits, to contiguous (N, channels, P).
 *
 * upstream: (N, P), gradient of the loss of each pixel. grad_mass: (C,) or NULL. Returns bits: see above.
 */
EXPORT int32_t anl_seg_backward(const Loss *loss, const float *logits, const int64_t *target, const float *saved,
                                const float *upstream, const float *grad_mass, float *grad, int64_t tasks,
                                int32_t threads) {
    const int64_t all = loss->num_samples * loss->num_pixels;
    int32_t status = 0;
    (void)threads;
#pragma omp parallel for schedule(dynamic) num_threads(threads) reduction(| : status)
    for (int64_t t = 0; t < tasks; ++t)
        status |= backward_range(loss, logits, target, saved, upstream, grad_mass, grad, all * t / tasks,
                                 all * (t + 1) / tasks);
    return status;
}

/* See anl_seg_weights: the pixels [begin, end) of all N * P. */
FOR_THIS_PROCESSOR static void weights_range(const Loss *loss, const float *logits, const int64_t *target,
                                             const float *saved, const float *factors, float *weights,
                                             int64_t begin, int64_t end) {
    const int64_t pixels = loss->num_pixels, all = loss->num_samples * pixels;
    while (begin < end) {
        int64_t sample = begin / pixels, pixel = begin % pixels;
        ptrdiff_t w = width(loss, pixel, end - begin);
        const float *z = logits + sample * loss->sample_stride + pixel;
        const float *restrict peak = saved + begin, *restrict norm = saved + all + begin;
        float sum[WIDTH];
        EACH sum[i] = 0.0f;
        for (int64_t k = 0; k < loss->num_classes; ++k) {
            const float *restrict from = logits_of(loss, z, k);
            const float factor = factors[k];
            EACH sum[i] += factor * exp_(less(from[i], peak[i]) - norm[i]);
        }
        EACH weights[begin + i] = target[begin + i] != loss->ignore_index ? sum[i] : 0.0f;
        begin += w;
    }
}

/* sum_k p_k factors[k] of each pixel, 0 where ignored.
 *
 * saved: (2, N, P), what anl_seg_forward leaves. factors: (C,). weights: (N, P). Returns 0.
 */
EXPORT int32_t anl_seg_weights(const Loss *loss, const float *logits, const int64_t *target, const float *saved,
                               const float *factors, float *weights, int64_t tasks, int32_t threads) {
    const int64_t all = loss->num_samples * loss->num_pixels;
    (void)threads;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t t = 0; t < tasks; ++t)
        weights_range(loss, logits, target, saved, factors, weights, all * t / tasks, all * (t + 1) / tasks);
    return 0;
}

/* Windows links an extension module by this name; nothing imports it as one. */
EXPORT void *PyInit__softmax_cpu(void) { return NULL; }
