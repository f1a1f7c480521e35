//! Loads a component by its digest, ready to be instantiated. It comes from the cache on disk, or from the source by
//! way of the pre-check and the compiler.

use std::sync::Arc;

use bytes::Bytes;
use resly_core::{boxed, connector::sandbox::ComponentSource, id::OrganizationId};
use resly_manifest::Digest;
use uuid::Uuid;
use wasmtime::{
    Engine,
    component::{
        Component, ComponentNamedList, InstancePre, Lift, Linker, Lower,
        types::{ComponentExtern, ComponentItem},
    },
};

use crate::{
    bindings::{
        connector::{
            ConnectorPre,
            exports::resly::connector::action::{Call, Fault},
        },
        extractor::ExtractorPre,
        mapper::{MapperPre, exports::resly::connector::mapping::Failure},
    },
    cache::Cache,
    compiler::Queue,
    engine::{MEMORIES_PER_COMPONENT, MEMORY_MOST, TABLE_ELEMENTS, TABLES_PER_COMPONENT},
    error::ComponentError,
    guest::Guest,
    native_code::{self, PrecompiledComponent},
    precheck::precheck,
    versions::{self, ACTION, APPLY},
    wasi,
};

pub struct Loader {
    engine: Engine,
    cache: Arc<Cache>,
    compiler: Queue,
    source: Arc<dyn ComponentSource>,
    connectors: Linker<Guest>,
    /// For the host's own components, which have WASI without power and nothing else.
    hosts: Linker<Guest>,
}

/// A connector, ready to be instantiated.
pub struct Loaded {
    pub pre: ConnectorPre<Guest>,
    /// Bytes of its machine code, with its data.
    pub bytes: usize,
    pub from_cache: bool,
}

/// The organization in whose turns the host compiles its own components.
pub const HOST: OrganizationId = OrganizationId(Uuid::nil());

/// The use of a component, by what it exports.
#[derive(Clone, Copy)]
enum Role {
    Connector,
    Mapper,
    Extractor,
}

impl Loader {
    pub fn new(
        engine: Engine,
        cache: Cache,
        compiler: Queue,
        source: Arc<dyn ComponentSource>,
    ) -> wasmtime::Result<Self> {
        let mut hosts = Linker::new(&engine);
        wasi::add_to_linker(&mut hosts)?;
        let mut connectors = hosts.clone();
        versions::add_to_linker(&mut connectors)?;
        Ok(Self { engine, cache: Arc::new(cache), compiler, source, connectors, hosts })
    }

    /// Components that are compiled or wait for it.
    pub fn compiling(&self) -> usize {
        self.compiler.len()
    }

    /// Components that wait to be compiled.
    pub fn waiting(&self) -> usize {
        self.compiler.waiting()
    }

    /// Loads a connector. When it was never compiled, that is done in the organization's turn, and its bytes are asked of
    /// the source then, unless they are given.
    pub async fn connector(
        &self,
        organization: OrganizationId,
        digest: Digest,
        bytes: Option<Bytes>,
    ) -> Result<Loaded, ComponentError> {
        let (component, from_cache) = self.component(organization, digest, bytes, Role::Connector).await?;
        let pre = ConnectorPre::new(self.link(&self.connectors, &component)?).map_err(link)?;
        check_function::<(&Call,), (Result<String, Fault>,)>(&component, ACTION, "invoke")?;
        let image = component.image_range();
        Ok(Loaded { pre, bytes: image.end as usize - image.start as usize, from_cache })
    }

    pub async fn mapper(&self, digest: Digest) -> Result<MapperPre<Guest>, ComponentError> {
        let (component, _) = self.component(HOST, digest, None, Role::Mapper).await?;
        let pre = MapperPre::new(self.link(&self.hosts, &component)?).map_err(link)?;
        check_function::<(&str, &str), (Result<String, Failure>,)>(&component, APPLY, "apply")?;
        Ok(pre)
    }

    /// Its exports are those of this build's WIT, or making the result fails.
    pub async fn extractor(&self, digest: Digest) -> Result<ExtractorPre<Guest>, ComponentError> {
        let (component, _) = self.component(HOST, digest, None, Role::Extractor).await?;
        ExtractorPre::new(self.link(&self.hosts, &component)?).map_err(link)
    }

    fn link(&self, linker: &Linker<Guest>, component: &Component) -> Result<InstancePre<Guest>, ComponentError> {
        check_resources(component)?;
        linker.instantiate_pre(component).map_err(link)
    }

    #[boxed]
    async fn component(
        &self,
        organization: OrganizationId,
        digest: Digest,
        bytes: Option<Bytes>,
        role: Role,
    ) -> Result<(Component, bool), ComponentError> {
        let (cache, engine) = (Arc::clone(&self.cache), self.engine.clone());
        let cached = blocking(move || {
            let precompiled = cache.load(digest)?;
            native_code::component(&engine, &precompiled)
                .inspect_err(|error| {
                    tracing::warn!(%digest, %error, "a compiled component can't be loaded; it is compiled anew");
                })
                .ok()
        });
        if let Some(component) = cached.await? {
            return Ok((component, true));
        }
        let turn = self.compiler.turn(organization).await?;
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => {
                let found = self.source.component(digest).await;
                let found = found.map_err(|error| ComponentError::unreadable(digest, error))?;
                found.ok_or_else(|| ComponentError::Missing(digest.to_string()))?
            }
        };
        let checked = bytes.clone();
        blocking(move || {
            if Digest::of(&checked) != digest {
                return Err(ComponentError::Host("the component is not the one that was asked for".to_owned()));
            }
            let found = precheck(&checked)?;
            match role {
                Role::Connector => found.expect_export(ACTION),
                Role::Mapper => found.expect_export(APPLY),
                Role::Extractor => Ok(()),
            }
        })
        .await??;
        let precompiled = self.compiler.compile(turn, bytes).await?;
        let (cache, engine) = (Arc::clone(&self.cache), self.engine.clone());
        // Errors of the host were returned above. A component that can't be loaded now exceeds the pool of instances.
        let component = blocking(move || {
            let component = native_code::component(&engine, &precompiled);
            component.inspect(|_| keep(&cache, digest, &precompiled))
        });
        let component = component.await?.map_err(|error| ComponentError::Load(format!("{error:#}")))?;
        Ok((component, false))
    }
}

/// Stores a component in the cache. An error is only logged, because the call can go on without the cache.
fn keep(cache: &Cache, digest: Digest, precompiled: &PrecompiledComponent) {
    if let Err(error) = cache.store(digest, precompiled) {
        tracing::warn!(%digest, %error, "a compiled component can't be kept in the cache");
    }
}

/// Refuses a component that the pool of instances can't hold, so that its author knows it before the first call.
fn check_resources(component: &Component) -> Result<(), ComponentError> {
    // `None` when it imports modules or components. The pre-check refuses such components.
    let Some(needs) = component.resources_required() else { return Ok(()) };
    let bounds = [
        ("linear memories", u64::from(needs.num_memories), u64::from(MEMORIES_PER_COMPONENT)),
        ("tables", u64::from(needs.num_tables), u64::from(TABLES_PER_COMPONENT)),
        ("bytes of initial memory", needs.max_initial_memory_size.unwrap_or(0), MEMORY_MOST as u64),
        ("elements in one table", needs.max_initial_table_size.unwrap_or(0), TABLE_ELEMENTS as u64),
    ];
    match bounds.into_iter().find(|(_, have, limit)| have > limit) {
        Some((what, have, limit)) => Err(ComponentError::TooBig { what, have, limit }),
        None => Ok(()),
    }
}

/// Checks the type of an exported function. wasmtime would check it at each call, but its author should know at the
/// upload.
fn check_function<Params, Return>(component: &Component, interface: &str, name: &str) -> Result<(), ComponentError>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    let engine = component.engine();
    let types = component.component_type();
    let exported = versions::full_names(interface).find_map(|name| types.get_export(engine, &name));
    let function = match exported.map(|export| export.ty) {
        Some(ComponentItem::ComponentInstance(instance)) => match instance.get_export(engine, name) {
            Some(ComponentExtern { ty: ComponentItem::ComponentFunc(function), .. }) => Some(function),
            _ => None,
        },
        _ => None,
    };
    let function =
        function.ok_or_else(|| ComponentError::Export(format!("{}#{name}", versions::newest_name(interface))))?;
    function
        .typecheck::<Params, Return>(&types.instance_type())
        .map_err(|error| ComponentError::Link(format!("`{name}` of `{interface}` has another type: {error:#}")))
}

fn link(error: wasmtime::Error) -> ComponentError {
    ComponentError::Link(format!("{error:#}"))
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, ComponentError> {
    tokio::task::spawn_blocking(act).await.map_err(|error| ComponentError::Host(error.to_string()))
}
