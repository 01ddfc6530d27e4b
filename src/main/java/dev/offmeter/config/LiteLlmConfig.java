// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import dev.offmeter.Endpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A LiteLLM-style file: groups of deployments, and what is asked when a group has failed. */
final class LiteLlmConfig {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final ConfigFile file;
  private final List<Deployment> deployments;
  private final Set<String> groups = new LinkedHashSet<>();
  private final Defaults defaults;
  private final Fallbacks fallbacks;

  private LiteLlmConfig(Setting root) {
    file = root.file();
    root.checkKeys(KnownKeys.TOP, KnownKeys::inTop);
    Setting list = root.require("model_list");
    deployments = list.items().stream().map(Deployment::new).toList();
    if (deployments.isEmpty()) {
      throw list.wrong("must have at least one entry");
    }
    deployments.forEach(deployment -> groups.add(deployment.group()));
    Setting router = root.section("router_settings");
    router.checkKeys(KnownKeys.ROUTER, KnownKeys::inRouter);
    Setting litellm = root.section("litellm_settings");
    litellm.checkKeys(KnownKeys.LITELLM, KnownKeys::inLitellm);
    defaults = Defaults.of(router, litellm);
    fallbacks = new Fallbacks(router, litellm);
  }

  /**
   * The endpoints of a group and of its fallbacks, in order of preference.
   *
   * @param group its {@code model_name}; null for that of the first entry
   * @param field what the group is called in a message
   */
  static List<Endpoint> read(
      Path path, @Nullable String group, String field, Map<String, String> environment) {
    LiteLlmConfig config = new LiteLlmConfig(ConfigFile.read(path, environment));
    String first = group == null ? config.deployments.get(0).group() : group;
    if (!config.groups.contains(first)) {
      throw new IllegalArgumentException(
          config.file.name()
              + ": "
              + field
              + " must be one of "
              + config.groups
              + ", was '"
              + first
              + "'");
    }
    List<Endpoint> endpoints = config.endpoints(first);
    config.warn();
    return endpoints;
  }

  private List<Endpoint> endpoints(String first) {
    Set<Deployment> chosen = new LinkedHashSet<>(ofGroup(first));
    Set<String> visited = new HashSet<>(Set.of(first));
    fallbacks.first(first).forEach(target -> follow(target, chosen, visited));
    Set<String> names = ids(chosen);
    List<Endpoint> endpoints = new ArrayList<>();
    for (Deployment deployment : chosen) {
      String id = deployment.id();
      String name = id == null ? unused(deployment.group(), names) : id;
      endpoints.add(deployment.endpoint(name, defaults));
    }
    return endpoints;
  }

  /** As LiteLLM does it, a fallback's own fallbacks come before the next fallback. */
  private void follow(Setting target, Set<Deployment> chosen, Set<String> visited) {
    String name = target.text();
    if (!visited.add(name)) {
      return;
    }
    List<Deployment> found = groups.contains(name) ? ofGroup(name) : ofId(name);
    if (found.isEmpty()) {
      throw target.wrong("must be one of " + groups + " or a model_info.id");
    }
    chosen.addAll(found);
    fallbacks.further(name).forEach(next -> follow(next, chosen, visited));
  }

  private List<Deployment> ofGroup(String group) {
    return deployments.stream()
        .filter(deployment -> deployment.group().equals(group))
        .sorted(Comparator.comparingInt(Deployment::order))
        .toList();
  }

  private List<Deployment> ofId(String id) {
    return deployments.stream().filter(deployment -> id.equals(deployment.id())).toList();
  }

  private static Set<String> ids(Set<Deployment> chosen) {
    Set<String> ids = new HashSet<>();
    for (Deployment deployment : chosen) {
      String id = deployment.id();
      if (id != null && !ids.add(id)) {
        throw deployment.idTwice();
      }
    }
    return ids;
  }

  private static String unused(String group, Set<String> names) {
    String name = group;
    for (int i = 2; !names.add(name); i++) {
      name = group + "-" + i;
    }
    return name;
  }

  private void warn() {
    if (!file.notHonoured().isEmpty()) {
      LOG.warn("{} has keys that Offmeter does not heed: {}", file.name(), file.notHonoured());
    }
  }
}
