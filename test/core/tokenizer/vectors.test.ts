import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import { sentencePieceMetadata } from "../../fixtures/sentencepiece-model.ts";
import { shared } from "../../fixtures/shared.ts";

const folder = shared("data/tokenizers/ggml-vocab");

describe.skipIf(folder === undefined)(
  "llama.cpp's vectors (skipped: ../shared/data not present)",
  () => {
    test.each(["llama-spm", "gpt-2"])(
      "encode gives the ids of all 47 strings for %s",
      async (name) => {
        const path = `${folder}/ggml-vocab-${name}.gguf`;
        const model = await openGguf(bytesSource(new Uint8Array(readFileSync(path))));
        const tokenizer = createTokenizer(model.metadata);
        const texts = readFileSync(`${path}.inp`, "utf8").split("\n__ggml_vocab_test__\n");
        const ids = readFileSync(`${path}.out`, "utf8").split("\n");
        expect(texts.length).toBeGreaterThanOrEqual(47);
        texts.forEach((text, i) => {
          const expected = (ids[i] ?? "").trim().split(/\s+/u).filter(Boolean).map(Number);
          expect([text, tokenizer.encode(text)]).toEqual([text, expected]);
          const decoder = tokenizer.decoder();
          const decoded = tokenizer.encode(text).map((token) => decoder.push(token));
          expect(decoded.join("") + decoder.end()).toBe(text);
        });
        await model.close();
      },
    );
  },
);

/** Encodes each stretch between control tokens on its own, as mistral-common does. */
function reencode(tokenizer: Tokenizer, tokens: readonly number[]): number[] {
  const decoder = tokenizer.decoder();
  let result: number[] = [];
  let text = "";
  const flush = (): void => {
    result = result.concat(tokenizer.encode(text + decoder.end()));
    text = "";
  };
  for (const token of tokens) {
    if (tokenizer.controlText(token) === undefined) {
      text += decoder.push(token);
      continue;
    }
    flush();
    decoder.push(token);
    result.push(token);
  }
  flush();
  return result;
}

const mistral = shared("data/tokenizers/mistral");
const samples = shared("data/chat/mistral-common-samples");

describe.skipIf(mistral === undefined || samples === undefined)(
  "Mistral's SentencePiece vocabularies (skipped: ../shared/data not present)",
  () => {
    const files = {
      v1: "tokenizer.model.v1",
      v2: "mistral_instruct_tokenizer_240216.model.v2",
      v3: "mistral_instruct_tokenizer_240323.model.v3",
    };

    test.each([
      ["v1", "no_tools"],
      ["v2", "no_tools"],
      ["v2", "get_weather_full"],
      ["v3", "no_tools"],
      ["v3", "get_weather_full"],
    ] as const)(
      "%s: decoding and encoding the ids of %s gives the ids again",
      (version, sample) => {
        const tokenizer = createTokenizer(sentencePieceMetadata(`${mistral}/${files[version]}`));
        const { tokens } = JSON.parse(
          readFileSync(`${samples}/${sample}/tokens_${version}.json`, "utf8"),
        ) as { tokens: number[] };
        // In v1 `[INST]` is no control token, so turns are joined texts that were encoded apart.
        const expected = version === "v1" ? tokens.slice(0, tokens.indexOf(2)) : tokens;
        expect(reencode(tokenizer, expected)).toEqual(expected);
      },
    );
  },
);
