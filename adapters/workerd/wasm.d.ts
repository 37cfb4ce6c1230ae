/** What workerd's bundlers make of an import of a `.wasm` file. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  // eslint-disable-next-line import/no-default-export -- their convention
  export default module;
}
