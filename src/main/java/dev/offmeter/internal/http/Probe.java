// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.wire.ProbeResult;

/** One request on the side, which asks for no answer. Run by one thread. */
public interface Probe {
  /** What is looked at. */
  enum Kind {
    /** Whether the server lives. */
    LIVENESS,
    /** Whether its model is in memory. */
    MODEL_LOADED,
    /** Loads the model; ends when it is loaded. Costs no token. */
    LOAD_MODEL,
    /** Unloads the model, which frees one that hangs. */
    UNLOAD_MODEL,
    /** Asks for one token, which has a server load the model that loads it on demand. */
    GENERATE_TOKEN,
    /** Whether a server that is asked by OpenAI's API is an Ollama. */
    DETECT_OLLAMA
  }

  /** Asks. Holds no clock of its own; whoever runs it calls {@link #cancel()}. */
  ProbeResult run();

  /** Ends {@link #run()} from any thread and closes the connection. */
  void cancel();
}
