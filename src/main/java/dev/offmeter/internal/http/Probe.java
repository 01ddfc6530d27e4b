// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.wire.ProbeResult;

/** Sends one request in the background that is not part of a call. Run by one thread. */
public interface Probe {
  /** The purpose of a probe. */
  enum Kind {
    /** Checks that the server answers. */
    LIVENESS,
    /** Checks that its model is in memory. */
    MODEL_LOADED,
    /** Loads the model; ends when it is loaded. Costs no token. */
    LOAD_MODEL,
    /** Unloads the model, which frees one that hangs. */
    UNLOAD_MODEL,
    /** Generates one token, which makes a server load a model that it loads on demand. */
    GENERATE_TOKEN,
    /** Asks what the model can do and how long its context is. */
    MODEL_INFO,
    /** Checks whether a server that is asked by OpenAI's API is an Ollama. */
    DETECT_OLLAMA
  }

  /** Sends the request. Has no timeout: the caller arranges for {@link #cancel()}. */
  ProbeResult run();

  /** Ends {@link #run()} from any thread and closes the connection. */
  void cancel();
}
