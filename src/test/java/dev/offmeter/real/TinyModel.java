// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A language model that says words at random, whatever it is asked. Every weight is zero but for
 * one column at either end: whichever token goes in, the same number comes out of the layers, and
 * the last matrix makes of it one fixed score for each token. So the share of each token is set
 * here: the words are alike, the end comes once in so many, and where a grammar allows an end of a
 * JSON object, array, string or number it comes soon.
 *
 * <p>Its answers need the plain sampler of {@link LlamaServer}. A character of a prompt is a token.
 * The first token may be the end: a request with a seed gets the same answer each time, not an
 * empty one now and then.
 */
record TinyModel(int tokensPerAnswer, int width, int layers) {
  private static final List<String> WORDS =
      List.of("the a of to and in is it two red green blue small cat dog tree".split(" "));

  /** All heads share one key and value, so that a long context takes little memory. */
  private static final int HEAD = 64;

  private static final int NORMAL = 1;
  private static final int UNKNOWN = 2;
  private static final int CONTROL = 3;
  private static final int BYTE = 6;
  private static final int END = 2;
  private static final int FIRST_BYTE = 3;
  private static final float NEVER = -60;
  private static final float RARE = -16;
  private static final float SOON = -6;
  private static final float WORD = 0;

  /** Thousands of tokens in a second, and answers of so many on average. */
  static TinyModel fast(int tokensPerAnswer) {
    return new TinyModel(tokensPerAnswer, 64, 1);
  }

  /** An answer that does not end by itself, of a hundred tokens or so in a second. */
  static TinyModel endless() {
    return new TinyModel(Integer.MAX_VALUE, 512, 8);
  }

  /** Returns a model so large that its load can be seen. */
  static TinyModel large() {
    return new TinyModel(20, 1024, 12);
  }

  Path write(Path file) throws IOException {
    Gguf gguf = new Gguf();
    shape(gguf);
    vocabulary(gguf);
    tensors(gguf);
    gguf.write(file);
    return file;
  }

  private void shape(Gguf gguf) {
    gguf.value("general.architecture", "llama")
        .value("general.name", "tiny")
        .value("llama.context_length", 1 << 20)
        .value("llama.embedding_length", width)
        .value("llama.block_count", layers)
        .value("llama.feed_forward_length", 4 * width)
        .value("llama.attention.head_count", width / HEAD)
        .value("llama.attention.head_count_kv", 1)
        .value("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  }

  private static void vocabulary(Gguf gguf) {
    List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    List<Integer> types = new ArrayList<>(List.of(UNKNOWN, CONTROL, CONTROL));
    for (int value = 0; value < 256; value++) {
      tokens.add("<0x%02X>".formatted(value));
      types.add(BYTE);
    }
    for (String word : WORDS) {
      tokens.add("\u2581" + word);
      types.add(NORMAL);
    }
    gguf.value("tokenizer.ggml.model", "llama")
        .strings("tokenizer.ggml.tokens", tokens)
        .ints("tokenizer.ggml.token_type", types)
        .value("tokenizer.ggml.bos_token_id", 1)
        .value("tokenizer.ggml.eos_token_id", END)
        .value("tokenizer.ggml.unknown_token_id", 0)
        .value("tokenizer.ggml.add_bos_token", false)
        .value("tokenizer.ggml.add_space_prefix", false)
        .value("tokenizer.chat_template", template());
  }

  private static String template() {
    return "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}"
        + "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";
  }

  private void tensors(Gguf gguf) {
    List<Float> scores = scores();
    float constant = (float) Math.sqrt(width);
    List<Float> in = scores.stream().map(score -> 1f).toList();
    List<Float> out = scores.stream().map(score -> score / constant).toList();
    gguf.matrix("token_embd.weight", width, scores.size(), 0, in);
    for (int layer = 0; layer < layers; layer++) {
      block(gguf, "blk." + layer + ".");
    }
    gguf.ones("output_norm.weight", width).matrix("output.weight", width, scores.size(), 0, out);
  }

  private void block(Gguf gguf, String name) {
    gguf.ones(name + "attn_norm.weight", width);
    gguf.matrix(name + "attn_q.weight", width, width)
        .matrix(name + "attn_k.weight", width, HEAD)
        .matrix(name + "attn_v.weight", width, HEAD)
        .matrix(name + "attn_output.weight", width, width);
    gguf.ones(name + "ffn_norm.weight", width)
        .matrix(name + "ffn_gate.weight", width, 4 * width)
        .matrix(name + "ffn_up.weight", width, 4 * width)
        .matrix(name + "ffn_down.weight", 4 * width, width);
  }

  /** The logarithm of each token's share. */
  private List<Float> scores() {
    List<Float> scores = new ArrayList<>(List.of(NEVER, NEVER, end()));
    for (int value = 0; value < 256; value++) {
      scores.add(value > ' ' && value < 0x7f ? RARE : NEVER);
    }
    WORDS.forEach(word -> scores.add(WORD));
    scores.set(FIRST_BYTE + '"', WORD);
    scores.set(FIRST_BYTE + '}', SOON);
    scores.set(FIRST_BYTE + ']', SOON);
    scores.set(FIRST_BYTE + ',', SOON);
    scores.set(FIRST_BYTE + '\\', NEVER);
    return scores;
  }

  private float end() {
    return tokensPerAnswer == Integer.MAX_VALUE
        ? NEVER
        : (float) Math.log((WORDS.size() + 1.0) / (tokensPerAnswer - 1.0));
  }
}
