//! Runtime parameters: JSON values that some component reads, of a vhost or of the whole cluster.
//!
//! Policies and limits, which RabbitMQ keeps among them, have places of their own here.

use model::Name;
use serde_json::Value as Json;

use super::{
    Entry, Fact, Invalid, Topology,
    policy::{JSON_DEPTH_MAX, check_depth},
};

impl Topology {
    /// The parameters of a vhost: component, name, value.
    pub fn parameters(&self, vhost: &str) -> impl Iterator<Item = (&Name, &Name, &Json)> {
        let parameters = self.vhost(vhost).into_iter().flat_map(|vhost| &vhost.parameters);
        parameters.map(|((component, name), value)| (component, name, value))
    }

    /// The parameters of the whole cluster.
    pub fn global_parameters(&self) -> impl Iterator<Item = (&Name, &Json)> {
        self.global_parameters.iter()
    }

    /// Sets a parameter of a vhost. Whether `component` likes the value is for it to say, before.
    ///
    /// # Errors
    /// When the vhost does not exist, or there may be no more of the component's.
    pub fn set_parameter(
        &self,
        vhost: &Name,
        component: &Name,
        name: &Name,
        value: Json,
    ) -> Result<Entry, Invalid> {
        let found = self.vhost(vhost).ok_or_else(|| Invalid::NoVhost { vhost: vhost.clone() })?;
        check_depth(&value, JSON_DEPTH_MAX)?;
        if !found.parameters.contains_key(&(component.clone(), name.clone())) {
            self.check_parameter_limit(component)?;
        }
        Ok(Entry::SetParameter {
            vhost: vhost.clone(),
            component: component.clone(),
            name: name.clone(),
            value,
        })
    }

    /// Removes a parameter of a vhost.
    ///
    /// # Errors
    /// When there is none such.
    pub fn clear_parameter(&self, vhost: &Name, component: &Name, name: &Name) -> Result<Entry, Invalid> {
        let found = self.vhost(vhost).ok_or_else(|| Invalid::NoVhost { vhost: vhost.clone() })?;
        if !found.parameters.contains_key(&(component.clone(), name.clone())) {
            return Err(Invalid::NotFound { name: name.clone() });
        }
        Ok(Entry::ClearParameter { vhost: vhost.clone(), component: component.clone(), name: name.clone() })
    }

    /// Sets a parameter of the whole cluster.
    ///
    /// # Errors
    /// When the value is nested too deeply.
    pub fn set_global_parameter(&self, name: &Name, value: Json) -> Result<Entry, Invalid> {
        check_depth(&value, JSON_DEPTH_MAX)?;
        Ok(Entry::SetGlobalParameter { name: name.clone(), value })
    }

    /// Removes a parameter of the whole cluster.
    ///
    /// # Errors
    /// When there is none such.
    pub fn clear_global_parameter(&self, name: &Name) -> Result<Entry, Invalid> {
        if !self.global_parameters.contains_key(name) {
            return Err(Invalid::NotFound { name: name.clone() });
        }
        Ok(Entry::ClearGlobalParameter { name: name.clone() })
    }

    pub(super) fn apply_parameter(
        &mut self,
        vhost: Name,
        component: Name,
        name: Name,
        value: Option<Json>,
        out: &mut Vec<Fact>,
    ) {
        let Some(found) = self.vhosts.get_mut(&vhost) else { return };
        let key = (component.clone(), name.clone());
        match value {
            Some(value) => found.parameters.insert(key, value),
            None => found.parameters.remove(&key),
        };
        out.push(Fact::ParameterChanged { vhost: Some(vhost), component, name });
    }

    pub(super) fn apply_global_parameter(&mut self, name: Name, value: Option<Json>, out: &mut Vec<Fact>) {
        match value {
            Some(value) => self.global_parameters.insert(name.clone(), value),
            None => self.global_parameters.remove(&name),
        };
        out.push(Fact::ParameterChanged { vhost: None, component: Name::default(), name });
    }
}
