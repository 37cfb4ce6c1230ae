/* quantise IN OUT FTYPE PURE: rewrites a GGUF file in another quantisation with llama.cpp's own quantisers. Built by make-models.mjs. */
#include <stdio.h>
#include <stdlib.h>
#include "ggml-backend.h"
#include "llama.h"

int main(int argc, char ** argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: quantise IN OUT FTYPE PURE\n");
        return 2;
    }
    llama_backend_init();
    ggml_backend_load_all();
    struct llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = (enum llama_ftype) atoi(argv[3]);
    params.pure = atoi(argv[4]) != 0;
    /* The only real model at hand is quantised already; what is lost by that does not matter to a measurement of speed. */
    params.allow_requantize = true;
    const int failed = llama_model_quantize(argv[1], argv[2], &params) != 0;
    llama_backend_free();
    return failed;
}
