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
    let kernels010Repack;
    
    function repack(arg0, arg1, arg2, arg3) {
      var val0 = arg0;
      let enum0;
      switch (val0) {
        case 'f32': {
          enum0 = 0;
          break;
        }
        case 'f16': {
          enum0 = 1;
          break;
        }
        case 'bf16': {
          enum0 = 2;
          break;
        }
        case 'q40': {
          enum0 = 3;
          break;
        }
        case 'q41': {
          enum0 = 4;
          break;
        }
        case 'q50': {
          enum0 = 5;
          break;
        }
        case 'q51': {
          enum0 = 6;
          break;
        }
        case 'q80': {
          enum0 = 7;
          break;
        }
        case 'q2k': {
          enum0 = 8;
          break;
        }
        case 'q3k': {
          enum0 = 9;
          break;
        }
        case 'q4k': {
          enum0 = 10;
          break;
        }
        case 'q5k': {
          enum0 = 11;
          break;
        }
        case 'q6k': {
          enum0 = 12;
          break;
        }
        default: {
          if ((arg0) instanceof Error) {
            console.error(arg0);
          }
          
          throw new TypeError(`"${val0}" is not one of the cases of weight-type`);
        }
      }
      var {out: v1_0, raw: v1_1, rows: v1_2, k: v1_3 } = arg1;
      kernels010Repack(enum0, toUint32(v1_0), toUint32(v1_1), toUint32(v1_2), toUint32(v1_3), toUint32(arg2), toUint32(arg3));
    }
    let kernels010Embed;
    
    function embed(arg0, arg1, arg2, arg3) {
      var val0 = arg0;
      let enum0;
      switch (val0) {
        case 'f32': {
          enum0 = 0;
          break;
        }
        case 'f16': {
          enum0 = 1;
          break;
        }
        case 'bf16': {
          enum0 = 2;
          break;
        }
        case 'q40': {
          enum0 = 3;
          break;
        }
        case 'q41': {
          enum0 = 4;
          break;
        }
        case 'q50': {
          enum0 = 5;
          break;
        }
        case 'q51': {
          enum0 = 6;
          break;
        }
        case 'q80': {
          enum0 = 7;
          break;
        }
        case 'q2k': {
          enum0 = 8;
          break;
        }
        case 'q3k': {
          enum0 = 9;
          break;
        }
        case 'q4k': {
          enum0 = 10;
          break;
        }
        case 'q5k': {
          enum0 = 11;
          break;
        }
        case 'q6k': {
          enum0 = 12;
          break;
        }
        default: {
          if ((arg0) instanceof Error) {
            console.error(arg0);
          }
          
          throw new TypeError(`"${val0}" is not one of the cases of weight-type`);
        }
      }
      var {out: v1_0, panels: v1_1, tokens: v1_2, k: v1_3 } = arg1;
      kernels010Embed(enum0, toUint32(v1_0), toUint32(v1_1), toUint32(v1_2), toUint32(v1_3), toUint32(arg2), toUint32(arg3));
    }
    let kernels010Matmul;
    
    function matmul(arg0, arg1, arg2, arg3) {
      var val0 = arg0;
      let enum0;
      switch (val0) {
        case 'f32': {
          enum0 = 0;
          break;
        }
        case 'f16': {
          enum0 = 1;
          break;
        }
        case 'bf16': {
          enum0 = 2;
          break;
        }
        case 'q40': {
          enum0 = 3;
          break;
        }
        case 'q41': {
          enum0 = 4;
          break;
        }
        case 'q50': {
          enum0 = 5;
          break;
        }
        case 'q51': {
          enum0 = 6;
          break;
        }
        case 'q80': {
          enum0 = 7;
          break;
        }
        case 'q2k': {
          enum0 = 8;
          break;
        }
        case 'q3k': {
          enum0 = 9;
          break;
        }
        case 'q4k': {
          enum0 = 10;
          break;
        }
        case 'q5k': {
          enum0 = 11;
          break;
        }
        case 'q6k': {
          enum0 = 12;
          break;
        }
        default: {
          if ((arg0) instanceof Error) {
            console.error(arg0);
          }
          
          throw new TypeError(`"${val0}" is not one of the cases of weight-type`);
        }
      }
      var {out: v1_0, panels: v1_1, x: v1_2, n: v1_3, m: v1_4, k: v1_5 } = arg1;
      kernels010Matmul(enum0, toUint32(v1_0), toUint32(v1_1), toUint32(v1_2), toUint32(v1_3), toUint32(v1_4), toUint32(v1_5), toUint32(arg2), toUint32(arg3));
    }
    let kernels010QuantizeActivations;
    
    function quantizeActivations(arg0, arg1, arg2) {
      var {out: v0_0, x: v0_1, k: v0_2 } = arg0;
      kernels010QuantizeActivations(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RmsNorm;
    
    function rmsNorm(arg0, arg1, arg2) {
      var {out: v0_0, x: v0_1, weight: v0_2, d: v0_3, eps: v0_4 } = arg0;
      kernels010RmsNorm(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(v0_3), +v0_4, toUint32(arg1), toUint32(arg2));
    }
    let kernels010RopeNorm;
    
    function ropeNorm(arg0, arg1, arg2) {
      var {x: v0_0, rotation: v0_1, heads: v0_2, headDim: v0_3, pairs: v0_4 } = arg0;
      kernels010RopeNorm(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(v0_3), toUint32(v0_4), toUint32(arg1), toUint32(arg2));
    }
    let kernels010RopeNeox;
    
    function ropeNeox(arg0, arg1, arg2) {
      var {x: v0_0, rotation: v0_1, heads: v0_2, headDim: v0_3, pairs: v0_4 } = arg0;
      kernels010RopeNeox(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(v0_3), toUint32(v0_4), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Swiglu;
    
    function swiglu(arg0, arg1, arg2) {
      var {out: v0_0, gate: v0_1, up: v0_2, n: v0_3, d: v0_4 } = arg0;
      kernels010Swiglu(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(v0_3), toUint32(v0_4), toUint32(arg1), toUint32(arg2));
    }
    let kernels010AddTo;
    
    function addTo(arg0, arg1, arg2) {
      var {x: v0_0, y: v0_1, d: v0_2 } = arg0;
      kernels010AddTo(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(arg1), toUint32(arg2));
    }
    let kernels010KvStore;
    
    function kvStore(arg0, arg1, arg2) {
      var {cacheK: v0_0, cacheV: v0_1, k: v0_2, v: v0_3, slots: v0_4, n: v0_5, kvHeads: v0_6, headDim: v0_7 } = arg0;
      kernels010KvStore(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(v0_3), toUint32(v0_4), toUint32(v0_5), toUint32(v0_6), toUint32(v0_7), toUint32(arg1), toUint32(arg2));
    }
    let kernels010Attention;
    
    function attention(arg0, arg1, arg2) {
      var {out: v0_0, q: v0_1, cacheK: v0_2, cacheV: v0_3, blocks: v0_4, position: v0_5, heads: v0_6, kvHeads: v0_7, headDim: v0_8, window: v0_9, scale: v0_10 } = arg0;
      kernels010Attention(toUint32(v0_0), toUint32(v0_1), toUint32(v0_2), toUint32(v0_3), toUint32(v0_4), toUint32(v0_5), toUint32(v0_6), toUint32(v0_7), toUint32(v0_8), toUint32(v0_9), +v0_10, toUint32(arg1), toUint32(arg2));
    }
    memory010HeapBase = exports0['sirocco:kernels/memory@0.1.0#heap-base'];
    memory010Size = exports0['sirocco:kernels/memory@0.1.0#size'];
    memory010Grow = exports0['sirocco:kernels/memory@0.1.0#grow'];
    memory010Seek = exports0['sirocco:kernels/memory@0.1.0#seek'];
    memory010Write = exports0['sirocco:kernels/memory@0.1.0#write'];
    memory010Read = exports0['sirocco:kernels/memory@0.1.0#read'];
    kernels010Repack = exports0['sirocco:kernels/kernels@0.1.0#repack'];
    kernels010Embed = exports0['sirocco:kernels/kernels@0.1.0#embed'];
    kernels010Matmul = exports0['sirocco:kernels/kernels@0.1.0#matmul'];
    kernels010QuantizeActivations = exports0['sirocco:kernels/kernels@0.1.0#quantize-activations'];
    kernels010RmsNorm = exports0['sirocco:kernels/kernels@0.1.0#rms-norm'];
    kernels010RopeNorm = exports0['sirocco:kernels/kernels@0.1.0#rope-norm'];
    kernels010RopeNeox = exports0['sirocco:kernels/kernels@0.1.0#rope-neox'];
    kernels010Swiglu = exports0['sirocco:kernels/kernels@0.1.0#swiglu'];
    kernels010AddTo = exports0['sirocco:kernels/kernels@0.1.0#add-to'];
    kernels010KvStore = exports0['sirocco:kernels/kernels@0.1.0#kv-store'];
    kernels010Attention = exports0['sirocco:kernels/kernels@0.1.0#attention'];
    const kernels010 = {
      addTo: addTo,
      attention: attention,
      embed: embed,
      kvStore: kvStore,
      matmul: matmul,
      quantizeActivations: quantizeActivations,
      repack: repack,
      rmsNorm: rmsNorm,
      ropeNeox: ropeNeox,
      ropeNorm: ropeNorm,
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
