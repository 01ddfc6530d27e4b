// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.wire.Vitals;

/** One request on the side, which asks for no answer. Run by one thread. */
public interface Checkup {
  /** What is looked at. */
  enum Kind {
    /** Whether the server lives. */
    ALIVE,
    /** Whether its model is in memory. */
    RESIDENT,
    /** Loads the model; ends when it is loaded. Costs no token. */
    LOAD,
    /** Unloads the model, which frees one that hangs. */
    UNLOAD,
    /** Asks for one token, which has a server load the model that loads it on demand. */
    ONE_TOKEN,
    /** Whether a server that is asked by OpenAI's API is an Ollama. */
    OLLAMA
  }

  /** Asks. Holds no clock of its own; whoever runs it calls {@link #cancel()}. */
  Vitals run();

  /** Ends {@link #run()} from any thread and closes the connection. */
  void cancel();
}
