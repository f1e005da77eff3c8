/*
 * libvpx, as far as libvpx.rs needs it. Its structures change from version to version, and so this compiler lays them out, from the
 * headers that are installed; what crosses to Rust is laid out here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

/* As in libvpx.rs, which knows them as constants. */
_Static_assert(VPX_CODEC_OK == 0, "OK");
_Static_assert(VPX_EFLAG_FORCE_KF == 1 << 0, "FORCE_KEY_FRAME");
_Static_assert(VP8_EFLAG_NO_REF_GF == 1 << 17, "NO_REF_GOLDEN");
_Static_assert(VP8_EFLAG_NO_UPD_LAST == 1 << 18, "NO_UPDATE_LAST");
_Static_assert(VP8_EFLAG_FORCE_GF == 1 << 19, "FORCE_GOLDEN");
_Static_assert(VP8_EFLAG_NO_UPD_ENTROPY == 1 << 20, "NO_UPDATE_ENTROPY");
_Static_assert(VP8_EFLAG_NO_REF_ARF == 1 << 21, "NO_REF_ALTERNATE");
_Static_assert(VP8_EFLAG_NO_UPD_GF == 1 << 22, "NO_UPDATE_GOLDEN");
_Static_assert(VP8_EFLAG_NO_UPD_ARF == 1 << 23, "NO_UPDATE_ALTERNATE");
_Static_assert(VP8_EFLAG_FORCE_ARF == 1 << 24, "FORCE_ALTERNATE");

/* Format in libvpx.rs. */
enum format { VP8, VP9 };

/* Control in libvpx.rs. */
enum control {
    SPEED,
    STATIC_THRESHOLD,
    MAX_KEY_FRAME,
    SCREEN_CONTENT_MODE,
    TEMPORAL_LAYER,
    ADAPTIVE_QUANTIZATION,
    TILE_COLUMNS,
    ROW_THREADS,
    TUNE_CONTENT
};

/* Settings in libvpx.rs. All members have one size, so that there are no gaps. */
struct settings {
    uint32_t width;
    uint32_t height;
    uint32_t clock;
    uint32_t threads;
    uint32_t constant;
    uint32_t error_resilient;
    uint32_t kilobits;
    uint32_t buffer;
    uint32_t initial;
    uint32_t optimal;
    uint32_t drop_below;
    uint32_t min_quantizer;
    uint32_t max_quantizer;
    uint32_t undershoot;
    uint32_t overshoot;
    uint32_t max_key_distance;
    uint32_t layers;
    uint32_t layer_kilobits[3];
    uint32_t layer_decimators[3];
    uint32_t layer_pattern[4];
};

_Static_assert(sizeof(struct settings) == 27 * sizeof(uint32_t), "as in libvpx.rs");

/* Packet in libvpx.rs. */
struct packet {
    const uint8_t *bytes;
    size_t length;
    int key;
};

/* Picture in libvpx.rs. */
struct picture {
    const uint8_t *planes[3];
    ptrdiff_t strides[3];
    uint32_t width;
    uint32_t height;
    int i420;
};

struct encoder {
    vpx_codec_ctx_t context;
    vpx_codec_enc_cfg_t config;
};

static void apply(const struct settings *settings, vpx_codec_enc_cfg_t *config) {
    size_t i;
    config->g_w = settings->width;
    config->g_h = settings->height;
    config->g_timebase.num = 1;
    config->g_timebase.den = (int)settings->clock;
    config->g_threads = settings->threads;
    config->g_lag_in_frames = 0;
    config->g_error_resilient = settings->error_resilient ? VPX_ERROR_RESILIENT_DEFAULT : 0;
    config->rc_end_usage = settings->constant ? VPX_CBR : VPX_VBR;
    config->rc_target_bitrate = settings->kilobits;
    config->rc_buf_sz = settings->buffer;
    config->rc_buf_initial_sz = settings->initial;
    config->rc_buf_optimal_sz = settings->optimal;
    config->rc_dropframe_thresh = settings->drop_below;
    config->rc_min_quantizer = settings->min_quantizer;
    config->rc_max_quantizer = settings->max_quantizer;
    config->rc_undershoot_pct = settings->undershoot;
    config->rc_overshoot_pct = settings->overshoot;
    config->kf_mode = VPX_KF_AUTO;
    config->kf_max_dist = settings->max_key_distance;
    config->ts_number_layers = settings->layers;
    if (settings->layers == 1) return;
    config->ts_periodicity = 4;
    for (i = 0; i < 3; i++) {
        config->ts_target_bitrate[i] = settings->layer_kilobits[i];
        config->ts_rate_decimator[i] = settings->layer_decimators[i];
    }
    for (i = 0; i < 4; i++) config->ts_layer_id[i] = settings->layer_pattern[i];
}

int muji_vpx_encoder_new(int format, const struct settings *settings, struct encoder **made) {
    vpx_codec_iface_t *codec = format == VP9 ? vpx_codec_vp9_cx() : vpx_codec_vp8_cx();
    struct encoder *encoder = calloc(1, sizeof *encoder);
    vpx_codec_err_t result;
    if (!encoder) return VPX_CODEC_MEM_ERROR;
    result = vpx_codec_enc_config_default(codec, &encoder->config, 0);
    if (result == VPX_CODEC_OK) {
        apply(settings, &encoder->config);
        result = vpx_codec_enc_init(&encoder->context, codec, &encoder->config, 0);
    }
    if (result != VPX_CODEC_OK) {
        free(encoder);
        return result;
    }
    *made = encoder;
    return VPX_CODEC_OK;
}

int muji_vpx_encoder_set(struct encoder *encoder, const struct settings *settings) {
    apply(settings, &encoder->config);
    return vpx_codec_enc_config_set(&encoder->context, &encoder->config);
}

int muji_vpx_encoder_control(struct encoder *encoder, int control, int value) {
    vpx_codec_ctx_t *context = &encoder->context;
    switch ((enum control)control) {
    case SPEED: return vpx_codec_control(context, VP8E_SET_CPUUSED, value);
    case STATIC_THRESHOLD: return vpx_codec_control(context, VP8E_SET_STATIC_THRESHOLD, (unsigned)value);
    case MAX_KEY_FRAME: return vpx_codec_control(context, VP8E_SET_MAX_INTRA_BITRATE_PCT, (unsigned)value);
    case SCREEN_CONTENT_MODE: return vpx_codec_control(context, VP8E_SET_SCREEN_CONTENT_MODE, (unsigned)value);
    case TEMPORAL_LAYER: return vpx_codec_control(context, VP8E_SET_TEMPORAL_LAYER_ID, value);
    case ADAPTIVE_QUANTIZATION: return vpx_codec_control(context, VP9E_SET_AQ_MODE, (unsigned)value);
    case TILE_COLUMNS: return vpx_codec_control(context, VP9E_SET_TILE_COLUMNS, value);
    case ROW_THREADS: return vpx_codec_control(context, VP9E_SET_ROW_MT, (unsigned)value);
    case TUNE_CONTENT: return vpx_codec_control(context, VP9E_SET_TUNE_CONTENT, value);
    }
    return VPX_CODEC_INVALID_PARAM;
}

/* The samples are those of an I420 frame of the encoder's size. */
int muji_vpx_encode(struct encoder *encoder, const uint8_t *samples, int64_t at, uint32_t lasts, uint32_t flags) {
    const vpx_codec_enc_cfg_t *config = &encoder->config;
    vpx_image_t image;
    /* libvpx asks for samples that it might write to, and does not when it encodes. */
    if (!vpx_img_wrap(&image, VPX_IMG_FMT_I420, config->g_w, config->g_h, 1, (unsigned char *)samples)) {
        return VPX_CODEC_MEM_ERROR;
    }
    return vpx_codec_encode(&encoder->context, &image, at, lasts, (vpx_enc_frame_flags_t)flags, VPX_DL_REALTIME);
}

/* The next frame of those that were made; 0 if there is none. It lives until the encoder is used again. */
int muji_vpx_encoded(struct encoder *encoder, const void **iterator, struct packet *packet) {
    const vpx_codec_cx_pkt_t *next;
    while ((next = vpx_codec_get_cx_data(&encoder->context, iterator))) {
        if (next->kind == VPX_CODEC_CX_FRAME_PKT) {
            packet->bytes = next->data.frame.buf;
            packet->length = next->data.frame.sz;
            packet->key = (next->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
            return 1;
        }
    }
    return 0;
}

void muji_vpx_encoder_free(struct encoder *encoder) {
    vpx_codec_destroy(&encoder->context);
    free(encoder);
}

int muji_vpx_decoder_new(int format, vpx_codec_ctx_t **made) {
    vpx_codec_iface_t *codec = format == VP9 ? vpx_codec_vp9_dx() : vpx_codec_vp8_dx();
    vpx_codec_ctx_t *context = calloc(1, sizeof *context);
    vpx_codec_err_t result;
    if (!context) return VPX_CODEC_MEM_ERROR;
    result = vpx_codec_dec_init(context, codec, NULL, 0);
    if (result != VPX_CODEC_OK) {
        free(context);
        return result;
    }
    *made = context;
    return VPX_CODEC_OK;
}

int muji_vpx_decode(vpx_codec_ctx_t *context, const uint8_t *bytes, uint32_t length) {
    return vpx_codec_decode(context, bytes, length, NULL, 0);
}

/* The next frame of those that were decoded; 0 if there is none. It lives until the decoder decodes again. */
int muji_vpx_decoded(vpx_codec_ctx_t *context, const void **iterator, struct picture *picture) {
    const vpx_image_t *image = vpx_codec_get_frame(context, iterator);
    size_t plane;
    if (!image) return 0;
    for (plane = 0; plane < 3; plane++) {
        picture->planes[plane] = image->planes[plane];
        picture->strides[plane] = image->stride[plane];
    }
    picture->width = image->d_w;
    picture->height = image->d_h;
    picture->i420 = image->fmt == VPX_IMG_FMT_I420;
    return 1;
}

void muji_vpx_decoder_free(vpx_codec_ctx_t *context) {
    vpx_codec_destroy(context);
    free(context);
}
