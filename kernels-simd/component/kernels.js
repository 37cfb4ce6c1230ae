export function instantiate(getCoreModule, imports, instantiateCore = WebAssembly.instantiate) {
  
  let dv = new DataView(new ArrayBuffer());
  const dataView = mem => dv.buffer === mem.buffer ? dv : dv = new DataView(mem.buffer);
  
  function toUint32(val) {
    return val >>> 0;
  }
  
  const _debugLog = (...args) => {
    if (!globalThis?.process?.env?.JCO_DEBUG) { return; }
    console.debug(...args);
  }
  
  const fetchCompile = url => fetch(url).then(WebAssembly.compileStreaming);
  
  function throwInvalidBool() {
    throw new TypeError('invalid variant discriminant for bool');
  }
  
  
  if (!getCoreModule) getCoreModule = (name) => fetchCompile(new URL(`./${name}`, import.meta.url));
  const module0 = getCoreModule('kernels.core.wasm');
  
  let gen = (function* init () {
    let exports0;
    let memory0;
    let realloc0;
    ({ exports: exports0 } = yield instantiateCore(yield module0));
    memory0 = exports0.memory;
    realloc0 = exports0.cabi_realloc;
    let memory010HeapBase;
    
    function heapBase() {
      const ret = memory010HeapBase();
      return ret >>> 0;
    }
    let memory010Size;
    
    function size() {
      const ret = memory010Size();
      return BigInt.asUintN(64, ret);
    }
    let memory010Grow;
    
    function grow(arg0) {
      const ret = memory010Grow(toUint32(arg0));
      var bool0 = ret;
      return bool0 == 0 ? false : (bool0 == 1 ? true : throwInvalidBool());
    }
    let memory010Seek;
    
    function seek(arg0) {
      memory010Seek(toUint32(arg0));
    }
    let memory010Write;
    
    function write(arg0) {
      var val0 = arg0;
      var len0 = val0.byteLength;
      var ptr0 = realloc0(0, 0, 1, len0 * 1);
      var src0 = new Uint8Array(val0.buffer || val0, val0.byteOffset, len0 * 1);
      (new Uint8Array(memory0.buffer, ptr0, len0 * 1)).set(src0);
      memory010Write(ptr0, len0);
    }
    let memory010Read;
    
    function read(arg0, arg1) {
      const ret = memory010Read(toUint32(arg0), toUint32(arg1));
      var ptr0 = dataView(memory0).getInt32(ret + 0, true);
      var len0 = dataView(memory0).getInt32(ret + 4, true);
      var result0 = new Uint8Array(memory0.buffer.slice(ptr0, ptr0 + len0 * 1));
      return result0;
    }
    let kernels010QuantizeActivations;
    
    function quantizeActivations(arg0, arg1, arg2) {
      kernels010QuantizeActivations(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RmsNorm;
    
    function rmsNorm(arg0, arg1, arg2) {
      kernels010RmsNorm(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RopeNorm;
    
    function ropeNorm(arg0, arg1, arg2) {
      kernels010RopeNorm(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RopeNeox;
    
    function ropeNeox(arg0, arg1, arg2) {
      kernels010RopeNeox(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Swiglu;
    
    function swiglu(arg0, arg1, arg2) {
      kernels010Swiglu(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010AddTo;
    
    function addTo(arg0, arg1, arg2) {
      kernels010AddTo(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010LayerNorm;
    
    function layerNorm(arg0, arg1, arg2) {
      kernels010LayerNorm(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Geglu;
    
    function geglu(arg0, arg1, arg2) {
      kernels010Geglu(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Gelu;
    
    function gelu(arg0, arg1, arg2) {
      kernels010Gelu(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Scale;
    
    function scale(arg0, arg1, arg2) {
      kernels010Scale(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010AddRow;
    
    function addRow(arg0, arg1, arg2) {
      kernels010AddRow(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Combine;
    
    function combine(arg0, arg1, arg2) {
      kernels010Combine(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010LogitMaxima;
    
    function logitMaxima(arg0, arg1, arg2) {
      kernels010LogitMaxima(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010LogitBest;
    
    function logitBest(arg0, arg1, arg2) {
      kernels010LogitBest(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010LogitMasses;
    
    function logitMasses(arg0, arg1, arg2) {
      kernels010LogitMasses(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010LogitDraw;
    
    function logitDraw(arg0, arg1, arg2) {
      kernels010LogitDraw(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010KvStoreF32;
    
    function kvStoreF32(arg0, arg1, arg2) {
      kernels010KvStoreF32(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010AttentionF32;
    
    function attentionF32(arg0, arg1, arg2) {
      kernels010AttentionF32(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010KvStoreF16;
    
    function kvStoreF16(arg0, arg1, arg2) {
      kernels010KvStoreF16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010AttentionF16;
    
    function attentionF16(arg0, arg1, arg2) {
      kernels010AttentionF16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010KvStoreQ80;
    
    function kvStoreQ80(arg0, arg1, arg2) {
      kernels010KvStoreQ80(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010AttentionQ80;
    
    function attentionQ80(arg0, arg1, arg2) {
      kernels010AttentionQ80(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackF32;
    
    function repackF32(arg0, arg1, arg2) {
      kernels010RepackF32(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedF32;
    
    function embedF32(arg0, arg1, arg2) {
      kernels010EmbedF32(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulF32;
    
    function matmulF32(arg0, arg1, arg2) {
      kernels010MatmulF32(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackBf16;
    
    function repackF16(arg0, arg1, arg2) {
      kernels010RepackBf16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedF16;
    
    function embedF16(arg0, arg1, arg2) {
      kernels010EmbedF16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulF16;
    
    function matmulF16(arg0, arg1, arg2) {
      kernels010MatmulF16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    
    function repackBf16(arg0, arg1, arg2) {
      kernels010RepackBf16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedBf16;
    
    function embedBf16(arg0, arg1, arg2) {
      kernels010EmbedBf16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulBf16;
    
    function matmulBf16(arg0, arg1, arg2) {
      kernels010MatmulBf16(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ40;
    
    function repackQ40(arg0, arg1, arg2) {
      kernels010RepackQ40(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ40;
    
    function embedQ40(arg0, arg1, arg2) {
      kernels010EmbedQ40(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ40;
    
    function matmulQ40(arg0, arg1, arg2) {
      kernels010MatmulQ40(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ41;
    
    function repackQ41(arg0, arg1, arg2) {
      kernels010RepackQ41(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ41;
    
    function embedQ41(arg0, arg1, arg2) {
      kernels010EmbedQ41(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ41;
    
    function matmulQ41(arg0, arg1, arg2) {
      kernels010MatmulQ41(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ50;
    
    function repackQ50(arg0, arg1, arg2) {
      kernels010RepackQ50(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ50;
    
    function embedQ50(arg0, arg1, arg2) {
      kernels010EmbedQ50(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ50;
    
    function matmulQ50(arg0, arg1, arg2) {
      kernels010MatmulQ50(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ51;
    
    function repackQ51(arg0, arg1, arg2) {
      kernels010RepackQ51(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ51;
    
    function embedQ51(arg0, arg1, arg2) {
      kernels010EmbedQ51(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ51;
    
    function matmulQ51(arg0, arg1, arg2) {
      kernels010MatmulQ51(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ80;
    
    function repackQ80(arg0, arg1, arg2) {
      kernels010RepackQ80(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ80;
    
    function embedQ80(arg0, arg1, arg2) {
      kernels010EmbedQ80(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ80;
    
    function matmulQ80(arg0, arg1, arg2) {
      kernels010MatmulQ80(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ2k;
    
    function repackQ2k(arg0, arg1, arg2) {
      kernels010RepackQ2k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ2k;
    
    function embedQ2k(arg0, arg1, arg2) {
      kernels010EmbedQ2k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ2k;
    
    function matmulQ2k(arg0, arg1, arg2) {
      kernels010MatmulQ2k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ3k;
    
    function repackQ3k(arg0, arg1, arg2) {
      kernels010RepackQ3k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ3k;
    
    function embedQ3k(arg0, arg1, arg2) {
      kernels010EmbedQ3k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ3k;
    
    function matmulQ3k(arg0, arg1, arg2) {
      kernels010MatmulQ3k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ4k;
    
    function repackQ4k(arg0, arg1, arg2) {
      kernels010RepackQ4k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ4k;
    
    function embedQ4k(arg0, arg1, arg2) {
      kernels010EmbedQ4k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ4k;
    
    function matmulQ4k(arg0, arg1, arg2) {
      kernels010MatmulQ4k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ5k;
    
    function repackQ5k(arg0, arg1, arg2) {
      kernels010RepackQ5k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ5k;
    
    function embedQ5k(arg0, arg1, arg2) {
      kernels010EmbedQ5k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ5k;
    
    function matmulQ5k(arg0, arg1, arg2) {
      kernels010MatmulQ5k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackQ6k;
    
    function repackQ6k(arg0, arg1, arg2) {
      kernels010RepackQ6k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedQ6k;
    
    function embedQ6k(arg0, arg1, arg2) {
      kernels010EmbedQ6k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulQ6k;
    
    function matmulQ6k(arg0, arg1, arg2) {
      kernels010MatmulQ6k(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackIq4nl;
    
    function repackIq4nl(arg0, arg1, arg2) {
      kernels010RepackIq4nl(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedIq4nl;
    
    function embedIq4nl(arg0, arg1, arg2) {
      kernels010EmbedIq4nl(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulIq4nl;
    
    function matmulIq4nl(arg0, arg1, arg2) {
      kernels010MatmulIq4nl(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackIq4xs;
    
    function repackIq4xs(arg0, arg1, arg2) {
      kernels010RepackIq4xs(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedIq4xs;
    
    function embedIq4xs(arg0, arg1, arg2) {
      kernels010EmbedIq4xs(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulIq4xs;
    
    function matmulIq4xs(arg0, arg1, arg2) {
      kernels010MatmulIq4xs(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RepackMxfp4;
    
    function repackMxfp4(arg0, arg1, arg2) {
      kernels010RepackMxfp4(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010EmbedMxfp4;
    
    function embedMxfp4(arg0, arg1, arg2) {
      kernels010EmbedMxfp4(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    let kernels010MatmulMxfp4;
    
    function matmulMxfp4(arg0, arg1, arg2) {
      kernels010MatmulMxfp4(toUint32(arg0), toUint32(arg1), toUint32(arg2));
    }
    memory010HeapBase = exports0['sirocco:kernels/memory@0.1.0#heap-base'];
    memory010Size = exports0['sirocco:kernels/memory@0.1.0#size'];
    memory010Grow = exports0['sirocco:kernels/memory@0.1.0#grow'];
    memory010Seek = exports0['sirocco:kernels/memory@0.1.0#seek'];
    memory010Write = exports0['sirocco:kernels/memory@0.1.0#write'];
    memory010Read = exports0['sirocco:kernels/memory@0.1.0#read'];
    kernels010QuantizeActivations = exports0['sirocco:kernels/kernels@0.1.0#quantize-activations'];
    kernels010RmsNorm = exports0['sirocco:kernels/kernels@0.1.0#rms-norm'];
    kernels010RopeNorm = exports0['sirocco:kernels/kernels@0.1.0#rope-norm'];
    kernels010RopeNeox = exports0['sirocco:kernels/kernels@0.1.0#rope-neox'];
    kernels010Swiglu = exports0['sirocco:kernels/kernels@0.1.0#swiglu'];
    kernels010AddTo = exports0['sirocco:kernels/kernels@0.1.0#add-to'];
    kernels010LayerNorm = exports0['sirocco:kernels/kernels@0.1.0#layer-norm'];
    kernels010Geglu = exports0['sirocco:kernels/kernels@0.1.0#geglu'];
    kernels010Gelu = exports0['sirocco:kernels/kernels@0.1.0#gelu'];
    kernels010Scale = exports0['sirocco:kernels/kernels@0.1.0#scale'];
    kernels010AddRow = exports0['sirocco:kernels/kernels@0.1.0#add-row'];
    kernels010Combine = exports0['sirocco:kernels/kernels@0.1.0#combine'];
    kernels010LogitMaxima = exports0['sirocco:kernels/kernels@0.1.0#logit-maxima'];
    kernels010LogitBest = exports0['sirocco:kernels/kernels@0.1.0#logit-best'];
    kernels010LogitMasses = exports0['sirocco:kernels/kernels@0.1.0#logit-masses'];
    kernels010LogitDraw = exports0['sirocco:kernels/kernels@0.1.0#logit-draw'];
    kernels010KvStoreF32 = exports0['sirocco:kernels/kernels@0.1.0#kv-store-f32'];
    kernels010AttentionF32 = exports0['sirocco:kernels/kernels@0.1.0#attention-f32'];
    kernels010KvStoreF16 = exports0['sirocco:kernels/kernels@0.1.0#kv-store-f16'];
    kernels010AttentionF16 = exports0['sirocco:kernels/kernels@0.1.0#attention-f16'];
    kernels010KvStoreQ80 = exports0['sirocco:kernels/kernels@0.1.0#kv-store-q80'];
    kernels010AttentionQ80 = exports0['sirocco:kernels/kernels@0.1.0#attention-q80'];
    kernels010RepackF32 = exports0['sirocco:kernels/kernels@0.1.0#repack-f32'];
    kernels010EmbedF32 = exports0['sirocco:kernels/kernels@0.1.0#embed-f32'];
    kernels010MatmulF32 = exports0['sirocco:kernels/kernels@0.1.0#matmul-f32'];
    kernels010RepackBf16 = exports0['sirocco:kernels/kernels@0.1.0#repack-bf16'];
    kernels010EmbedF16 = exports0['sirocco:kernels/kernels@0.1.0#embed-f16'];
    kernels010MatmulF16 = exports0['sirocco:kernels/kernels@0.1.0#matmul-f16'];
    kernels010EmbedBf16 = exports0['sirocco:kernels/kernels@0.1.0#embed-bf16'];
    kernels010MatmulBf16 = exports0['sirocco:kernels/kernels@0.1.0#matmul-bf16'];
    kernels010RepackQ40 = exports0['sirocco:kernels/kernels@0.1.0#repack-q40'];
    kernels010EmbedQ40 = exports0['sirocco:kernels/kernels@0.1.0#embed-q40'];
    kernels010MatmulQ40 = exports0['sirocco:kernels/kernels@0.1.0#matmul-q40'];
    kernels010RepackQ41 = exports0['sirocco:kernels/kernels@0.1.0#repack-q41'];
    kernels010EmbedQ41 = exports0['sirocco:kernels/kernels@0.1.0#embed-q41'];
    kernels010MatmulQ41 = exports0['sirocco:kernels/kernels@0.1.0#matmul-q41'];
    kernels010RepackQ50 = exports0['sirocco:kernels/kernels@0.1.0#repack-q50'];
    kernels010EmbedQ50 = exports0['sirocco:kernels/kernels@0.1.0#embed-q50'];
    kernels010MatmulQ50 = exports0['sirocco:kernels/kernels@0.1.0#matmul-q50'];
    kernels010RepackQ51 = exports0['sirocco:kernels/kernels@0.1.0#repack-q51'];
    kernels010EmbedQ51 = exports0['sirocco:kernels/kernels@0.1.0#embed-q51'];
    kernels010MatmulQ51 = exports0['sirocco:kernels/kernels@0.1.0#matmul-q51'];
    kernels010RepackQ80 = exports0['sirocco:kernels/kernels@0.1.0#repack-q80'];
    kernels010EmbedQ80 = exports0['sirocco:kernels/kernels@0.1.0#embed-q80'];
    kernels010MatmulQ80 = exports0['sirocco:kernels/kernels@0.1.0#matmul-q80'];
    kernels010RepackQ2k = exports0['sirocco:kernels/kernels@0.1.0#repack-q2k'];
    kernels010EmbedQ2k = exports0['sirocco:kernels/kernels@0.1.0#embed-q2k'];
    kernels010MatmulQ2k = exports0['sirocco:kernels/kernels@0.1.0#matmul-q2k'];
    kernels010RepackQ3k = exports0['sirocco:kernels/kernels@0.1.0#repack-q3k'];
    kernels010EmbedQ3k = exports0['sirocco:kernels/kernels@0.1.0#embed-q3k'];
    kernels010MatmulQ3k = exports0['sirocco:kernels/kernels@0.1.0#matmul-q3k'];
    kernels010RepackQ4k = exports0['sirocco:kernels/kernels@0.1.0#repack-q4k'];
    kernels010EmbedQ4k = exports0['sirocco:kernels/kernels@0.1.0#embed-q4k'];
    kernels010MatmulQ4k = exports0['sirocco:kernels/kernels@0.1.0#matmul-q4k'];
    kernels010RepackQ5k = exports0['sirocco:kernels/kernels@0.1.0#repack-q5k'];
    kernels010EmbedQ5k = exports0['sirocco:kernels/kernels@0.1.0#embed-q5k'];
    kernels010MatmulQ5k = exports0['sirocco:kernels/kernels@0.1.0#matmul-q5k'];
    kernels010RepackQ6k = exports0['sirocco:kernels/kernels@0.1.0#repack-q6k'];
    kernels010EmbedQ6k = exports0['sirocco:kernels/kernels@0.1.0#embed-q6k'];
    kernels010MatmulQ6k = exports0['sirocco:kernels/kernels@0.1.0#matmul-q6k'];
    kernels010RepackIq4nl = exports0['sirocco:kernels/kernels@0.1.0#repack-iq4nl'];
    kernels010EmbedIq4nl = exports0['sirocco:kernels/kernels@0.1.0#embed-iq4nl'];
    kernels010MatmulIq4nl = exports0['sirocco:kernels/kernels@0.1.0#matmul-iq4nl'];
    kernels010RepackIq4xs = exports0['sirocco:kernels/kernels@0.1.0#repack-iq4xs'];
    kernels010EmbedIq4xs = exports0['sirocco:kernels/kernels@0.1.0#embed-iq4xs'];
    kernels010MatmulIq4xs = exports0['sirocco:kernels/kernels@0.1.0#matmul-iq4xs'];
    kernels010RepackMxfp4 = exports0['sirocco:kernels/kernels@0.1.0#repack-mxfp4'];
    kernels010EmbedMxfp4 = exports0['sirocco:kernels/kernels@0.1.0#embed-mxfp4'];
    kernels010MatmulMxfp4 = exports0['sirocco:kernels/kernels@0.1.0#matmul-mxfp4'];
    const kernels010 = {
      addRow: addRow,
      addTo: addTo,
      attentionF16: attentionF16,
      attentionF32: attentionF32,
      attentionQ80: attentionQ80,
      combine: combine,
      embedBf16: embedBf16,
      embedF16: embedF16,
      embedF32: embedF32,
      embedIq4nl: embedIq4nl,
      embedIq4xs: embedIq4xs,
      embedMxfp4: embedMxfp4,
      embedQ2k: embedQ2k,
      embedQ3k: embedQ3k,
      embedQ40: embedQ40,
      embedQ41: embedQ41,
      embedQ4k: embedQ4k,
      embedQ50: embedQ50,
      embedQ51: embedQ51,
      embedQ5k: embedQ5k,
      embedQ6k: embedQ6k,
      embedQ80: embedQ80,
      geglu: geglu,
      gelu: gelu,
      kvStoreF16: kvStoreF16,
      kvStoreF32: kvStoreF32,
      kvStoreQ80: kvStoreQ80,
      layerNorm: layerNorm,
      logitBest: logitBest,
      logitDraw: logitDraw,
      logitMasses: logitMasses,
      logitMaxima: logitMaxima,
      matmulBf16: matmulBf16,
      matmulF16: matmulF16,
      matmulF32: matmulF32,
      matmulIq4nl: matmulIq4nl,
      matmulIq4xs: matmulIq4xs,
      matmulMxfp4: matmulMxfp4,
      matmulQ2k: matmulQ2k,
      matmulQ3k: matmulQ3k,
      matmulQ40: matmulQ40,
      matmulQ41: matmulQ41,
      matmulQ4k: matmulQ4k,
      matmulQ50: matmulQ50,
      matmulQ51: matmulQ51,
      matmulQ5k: matmulQ5k,
      matmulQ6k: matmulQ6k,
      matmulQ80: matmulQ80,
      quantizeActivations: quantizeActivations,
      repackBf16: repackBf16,
      repackF16: repackF16,
      repackF32: repackF32,
      repackIq4nl: repackIq4nl,
      repackIq4xs: repackIq4xs,
      repackMxfp4: repackMxfp4,
      repackQ2k: repackQ2k,
      repackQ3k: repackQ3k,
      repackQ40: repackQ40,
      repackQ41: repackQ41,
      repackQ4k: repackQ4k,
      repackQ50: repackQ50,
      repackQ51: repackQ51,
      repackQ5k: repackQ5k,
      repackQ6k: repackQ6k,
      repackQ80: repackQ80,
      rmsNorm: rmsNorm,
      ropeNeox: ropeNeox,
      ropeNorm: ropeNorm,
      scale: scale,
      swiglu: swiglu,
      
    };
    const memory010 = {
      grow: grow,
      heapBase: heapBase,
      read: read,
      seek: seek,
      size: size,
      write: write,
      
    };
    
    return { kernels: kernels010, memory: memory010, 'sirocco:kernels/kernels@0.1.0': kernels010, 'sirocco:kernels/memory@0.1.0': memory010,  };
  })();
  let promise, resolve, reject;
  function runNext (value) {
    try {
      let done;
      do {
        ({ value, done } = gen.next(value));
      } while (!(value instanceof Promise) && !done);
      if (done) {
        if (resolve) return resolve(value);
        else return value;
      }
      if (!promise) promise = new Promise((_resolve, _reject) => (resolve = _resolve, reject = _reject));
      value.then(nextVal => done ? resolve() : runNext(nextVal), reject);
    }
    catch (e) {
      if (reject) reject(e);
      else throw e;
    }
  }
  const maybeSyncReturn = runNext(null);
  return promise || maybeSyncReturn;
}
