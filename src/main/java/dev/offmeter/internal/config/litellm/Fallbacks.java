// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Holds which groups are asked after another has failed. */
final class Fallbacks {
  private static final String ANY = "*";

  private final Map<String, List<ConfigNode>> groups = new HashMap<>();

  /** Reads the rules; {@code router_settings} wins over {@code litellm_settings}. */
  Fallbacks(ConfigNode router, ConfigNode litellm) {
    ConfigNode defaults = preferred(router, litellm, "default_fallbacks");
    ConfigNode own = preferred(router, litellm, "fallbacks");
    if (own != null && !own.isEmpty()) {
      own.items().forEach(this::add);
    }
    if (defaults != null && !defaults.isEmpty()) {
      groups.putIfAbsent(ANY, defaults.items());
    }
  }

  private static @Nullable ConfigNode preferred(ConfigNode router, ConfigNode litellm, String key) {
    ConfigNode first = router.field(key);
    ConfigNode second = litellm.field(key);
    if (first != null && second != null) {
      second.noteIgnored();
    }
    return first == null ? second : first;
  }

  private void add(ConfigNode rule) {
    for (String group : rule.keys()) {
      ConfigNode targets = rule.field(group);
      if (targets == null) {
        continue;
      }
      // Of several rules for one group, LiteLLM uses the first.
      if (groups.putIfAbsent(group, targets.items()) != null) {
        targets.noteIgnored("a rule for it stands before");
      }
    }
  }

  /** Returns the fallbacks of the group that is asked: its own, else the defaults. */
  List<ConfigNode> first(String group) {
    return groups.getOrDefault(group, groups.getOrDefault(ANY, List.of()));
  }

  /** Returns the fallbacks of a group that is itself a fallback: its own only. */
  List<ConfigNode> further(String group) {
    return groups.getOrDefault(group, List.of());
  }
}
