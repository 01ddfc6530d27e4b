// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.internal.UserCode;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Warns of variables that look like Offmeter's and are not read: a misspelt name must not be
 * ignored silently. Ollama's own variables are exempt; their list is that of its {@code envconfig},
 * its installer and its command line, of all versions up to 0.32.
 */
final class UnknownVariables {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private static final Set<String> OLLAMAS_OWN =
      Set.of(
          "API_KEY",
          "AUTH",
          "CLOUD_BASE_URL",
          "CONTEXT_LENGTH",
          "DEBUG",
          "DEBUG_LOG_REQUESTS",
          "EDITOR",
          "FLASH_ATTENTION",
          "GPU_OVERHEAD",
          "HOME",
          "HOST",
          "INSTALL_DIR",
          "INTEL_GPU",
          "KEEP_ALIVE",
          "KV_CACHE_TYPE",
          "LIBRARY_PATH",
          "LLM_LIBRARY",
          "LOAD_TIMEOUT",
          "MAX_LOADED_MODELS",
          "MAX_QUEUE",
          "MAX_VRAM",
          "MODELS",
          "MULTIUSER_CACHE",
          "NEW_ENGINE",
          "NOHISTORY",
          "NOPRUNE",
          "NO_CLOUD",
          "NO_START",
          "NUM_PARALLEL",
          "ORIGINS",
          "REMOTES",
          "RUNNERS_DIR",
          "SCHED_SPREAD",
          "TMPDIR",
          "VERSION",
          "VULKAN");

  private static final String PREFIX = "OLLAMA_";

  private UnknownVariables() {}

  /**
   * Warns of each unknown variable, once.
   *
   * @param names the names of the variables that are set
   * @param known the names of the simple scheme; empty if another scheme is in use
   */
  static void warn(Collection<String> names, Collection<String> known) {
    for (String name : new TreeSet<>(names)) {
      if (isUnread(name)) {
        UserCode.ignore(() -> LOG.warn("{} is not read{}", name, advice(name, known)));
      }
    }
  }

  private static boolean isUnread(String name) {
    String upper = name.toUpperCase(Locale.ROOT);
    if (!upper.startsWith(PREFIX)) {
      return upper.startsWith("OFFMETER_") && !name.startsWith("OFFMETER_");
    }
    boolean ours = SimpleScheme.isOwn(name);
    return !ours && !OLLAMAS_OWN.contains(upper.substring(PREFIX.length()));
  }

  private static String advice(String name, Collection<String> known) {
    if (!name.toUpperCase(Locale.ROOT).startsWith(PREFIX)) {
      return "; did you mean " + name.toUpperCase(Locale.ROOT) + "?";
    }
    if (known.isEmpty()) {
      return ": the endpoints come from OFFMETER_... here";
    }
    return nearest(name, known)
        .map(nearest -> "; did you mean " + nearest + "?")
        .orElse("; Offmeter reads " + new TreeSet<>(known));
  }

  /**
   * Returns the known name that a misspelt one was meant to be, also if it lacks its end or has
   * another beginning.
   */
  private static Optional<String> nearest(String name, Collection<String> known) {
    Optional<String> slip = NearestName.of(name, known);
    if (slip.isPresent()) {
      return slip;
    }
    String address = name.toUpperCase(Locale.ROOT) + "_URL";
    return known.contains(address) ? Optional.of(address) : ofLastWord(name, known);
  }

  private static Optional<String> ofLastWord(String name, Collection<String> known) {
    List<String> words = Arrays.asList(name.toUpperCase(Locale.ROOT).split("_"));
    boolean fallback = words.stream().anyMatch(word -> isNear(word, "FALLBACK"));
    String role = PREFIX + (fallback ? "FALLBACK_" : "PRIMARY_");
    String last = words.get(words.size() - 1);
    return known.stream()
        .filter(candidate -> candidate.startsWith(role))
        .filter(candidate -> isNear(last, candidate.substring(candidate.lastIndexOf('_') + 1)))
        .sorted()
        .findFirst();
  }

  private static boolean isNear(String word, String known) {
    return NearestName.of(word, Set.of(known)).isPresent();
  }
}
