#include "bundle/plan.hh"

namespace tl {

void to_json(nlohmann::json& j, const PlanPoint& p) {
  j = {{"service", p.service},
       {"pid", p.pid},
       {"netns_inode", p.netns_inode},
       {"container_id", p.container_id}};
}

void from_json(const nlohmann::json& j, PlanPoint& p) {
  j.at("service").get_to(p.service);
  j.at("pid").get_to(p.pid);
  j.at("netns_inode").get_to(p.netns_inode);
  j.at("container_id").get_to(p.container_id);
}

void to_json(nlohmann::json& j, const Plan& p) {
  j = {{"run_id", p.run_id},
       {"points", p.points},
       {"ports", p.ports},
       {"interval_ns", p.interval.count()},
       {"snaplen_bytes", p.snaplen_bytes},
       {"ring_bytes", p.ring_bytes},
       {"filter", p.filter},
       {"link",
        {{"rate_bps", p.link.rate_bps},
         {"delay_ns", p.link.delay.count()},
         {"loss_ppm", p.link.loss_ppm}}}};
}

void from_json(const nlohmann::json& j, Plan& p) {
  j.at("run_id").get_to(p.run_id);
  j.at("points").get_to(p.points);
  j.at("ports").get_to(p.ports);
  p.interval = std::chrono::nanoseconds{j.at("interval_ns").get<std::int64_t>()};
  j.at("snaplen_bytes").get_to(p.snaplen_bytes);
  j.at("ring_bytes").get_to(p.ring_bytes);
  j.at("filter").get_to(p.filter);
  const nlohmann::json& link = j.at("link");
  link.at("rate_bps").get_to(p.link.rate_bps);
  p.link.delay = std::chrono::nanoseconds{link.at("delay_ns").get<std::int64_t>()};
  link.at("loss_ppm").get_to(p.link.loss_ppm);
}

}  // namespace tl
